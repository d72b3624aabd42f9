"""An OPC UA server on open62541 in a process of its own: its first line of input declares it, the others are writes.

Each line is answered by one that begins with `{`. The process ends with its input. Its library is o6, which runs for
ten minutes without a licence.
"""

import json
import sys
from typing import Any

import o6  # type: ignore[import-not-found]  # it is in an environment of its own

NAMESPACE = "urn:test:plc"
CURRENT_SESSIONS = "ns=0;i=2277"  # of the server's diagnostics
o6.ns.namespace("plc", uri=NAMESPACE)

TYPES: dict[str, Any] = {
    "int16": o6.Int16,
    "uint16": o6.UInt16,
    "int32": o6.Int32,
    "uint32": o6.UInt32,
    "float": o6.Float,
    "double": o6.Double,
    "string": o6.String,
    "bool": o6.Boolean,
    "localizedtext": o6.LocalizedText,
}
QUALITIES = {
    "good": o6.StatusCode.GOOD,
    "uncertain": o6.StatusCode.UNCERTAIN_LAST_USABLE_VALUE,
    "bad": o6.StatusCode.BAD_SENSOR_FAILURE,
}


def value_of(kind: str, value: Any) -> Any:
    single = TYPES[kind.removesuffix("[]")]
    return [single(element) for element in value] if kind.endswith("[]") else single(value)


def serve(declared: dict[str, Any]) -> tuple[o6.Server, dict[str, tuple[Any, str]]]:
    server = o6.Server(
        port=declared["port"],
        applicationUri=declared["applicationUri"],
        certificate=declared["certificate"],
        privateKey=declared["privateKey"],
        acceptAllCertificates=True,
    )
    server.ns.append(sys.modules[__name__])
    nodes = {}
    for node in declared["nodes"]:
        made = server.addVariable(
            node["name"],
            server.objectsNode,
            value_of(node["type"], node["initial"]),
            nodeId=f"nsu={NAMESPACE};s={node['name']}",
        )
        nodes[node["name"]] = (made, node["type"])
    server.start()
    return server, nodes


def main() -> None:
    served: tuple[o6.Server, dict[str, tuple[Any, str]]] | None = None
    for line in sys.stdin:
        asked = json.loads(line)
        if served is None:
            served = serve(asked)
            answer: dict[str, Any] = {"serving": asked["port"]}
        elif asked.get("ask") == "sessions":
            answer = {"sessions": int(served[0].read(CURRENT_SESSIONS))}
        else:
            server, nodes = served
            node, kind = nodes[asked["name"]]
            written = o6.DataValue(
                value_of(kind, asked["value"]),
                status=QUALITIES[asked["quality"]],
                sourceTimestamp=o6.DateTime(asked["time"]),
            )
            answer = {"done": str(server.write(node, written))}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
