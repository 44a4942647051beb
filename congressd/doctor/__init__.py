"""The doctor: looks at a node and its cluster, says what is wrong and what to do, and packs a bundle for a bug report.

Probes bring facts (``ask_*``: all input and output, each with a deadline), judges turn facts into findings
(``judge_*``: pure), and `table` says which judge reads what which probe brings.
"""
