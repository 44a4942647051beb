"""Packaging of congressd: what is installed, and the two commands it brings."""

from pathlib import Path

from setuptools import find_packages, setup

RUNTIME = [
    "alembic>=1.13",
    "click>=8.1",
    "cryptography>=42",
    "Flask>=3.0",
    "google-re2>=1.1",
    "gunicorn>=23",
    "kombu>=5.3",
    "msgpack>=1.0",
    "netaddr>=1.0",
    "orjson>=3.9",
    "oslo.config>=9.0",
    "prometheus_client>=0.20",
    "PyMySQL>=1.1",
    "python-dateutil>=2.8",
    "PyYAML>=6.0",
    "SQLAlchemy>=2.0.30",
]
CLUSTER = ["oslo.messaging>=17.0"]
DEVELOP = [
    "hypothesis>=6.100",
    "mypy>=1.10",
    "pytest>=8.0",
    "pytest-timeout>=2.3",
    "ruff>=0.5",
    "types-PyYAML",
    "types-python-dateutil",
]

setup(
    name="congressd",
    version="0.1.0",
    description="Policy as a service: watches live tables, keeps every violation up to date",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=[*find_packages(include=["congressd", "congressd.*"]), "congressd.examples"],
    package_dir={"congressd.examples": "examples"},
    package_data={
        "congressd.examples": ["**/*"],
        "congressd": ["py.typed", "**/*.yaml", "**/*.mako", "**/*.html", "**/*.js", "**/*.css"],
    },
    python_requires=">=3.11",
    install_requires=RUNTIME,
    extras_require={"cluster": CLUSTER, "dev": DEVELOP + CLUSTER},
    entry_points={
        "console_scripts": [
            "congressd = congressd.cli.daemon:main",
            "congress = congressd.cli.client:main",
        ]
    },
)
