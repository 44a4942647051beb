"""Flask: REST v1, health, metrics, OpenAPI, authentication."""
