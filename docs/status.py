"""The schema of what ``bench status --json`` prints.

python docs/status.py > docs/status.schema.json
"""

import json

from harness.grid.status import GridStatus

if __name__ == "__main__":
    schema = GridStatus.model_json_schema(mode="serialization")
    print(json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2))
