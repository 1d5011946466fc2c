"""Write the schemas of what ``--json`` prints into harness/cli/schemas/.

python docs/schemas.py
"""

from __future__ import annotations

from harness.cli.answers import ANSWERS, schema_file, schema_text

for command in ANSWERS:
    schema_file(command).write_text(schema_text(command), encoding="utf-8")
