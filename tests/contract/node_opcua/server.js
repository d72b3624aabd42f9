"use strict";
// A small OPC UA server on an independent stack. Arguments: a JSON file that declares it. Commands: JSON lines on stdin.
const fs = require("fs");
const readline = require("readline");
const {
  DataType, DataValue, MessageSecurityMode, OPCUACertificateManager, OPCUAServer, SecurityPolicy, StatusCodes, Variant,
  VariantArrayType,
} = require("node-opcua");

const declared = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const types = {
  int16: DataType.Int16, uint16: DataType.UInt16, int32: DataType.Int32, uint32: DataType.UInt32,
  float: DataType.Float, double: DataType.Double, string: DataType.String, bool: DataType.Boolean,
};
const qualities = {
  good: StatusCodes.Good, uncertain: StatusCodes.UncertainLastUsableValue, bad: StatusCodes.BadSensorFailure,
};

function variant(type, value) {
  const array = type.endsWith("[]");
  const dataType = types[array ? type.slice(0, -2) : type];
  return new Variant({ dataType, value, arrayType: array ? VariantArrayType.Array : VariantArrayType.Scalar });
}

async function main() {
  const pki = new OPCUACertificateManager({
    rootFolder: declared.pki, automaticallyAcceptUnknownCertificate: declared.acceptStrangers,
  });
  await pki.initialize();
  const server = new OPCUAServer({
    host: "127.0.0.1",
    hostname: "127.0.0.1",
    port: 0,
    certificateFile: declared.certificate,
    privateKeyFile: declared.privateKey,
    serverCertificateManager: pki,
    userCertificateManager: pki,
    securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256],
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.SignAndEncrypt],
    serverCapabilities: {
      maxSessions: declared.sessions,
      ...(declared.itemsPerSubscription && { maxMonitoredItemsPerSubscription: declared.itemsPerSubscription }),
      ...(declared.subscriptions && { maxSubscriptionsPerSession: declared.subscriptions }),
    },
    allowAnonymous: declared.password === null,
    userManager: { isValidUser: (_user, password) => password === declared.password },
    serverInfo: { applicationUri: declared.applicationUri },
    disableDiscovery: false,
    skipOwnNamespace: false,
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  const namespace = space.registerNamespace(declared.namespace);
  const nodes = new Map();
  for (const { name, type, initial } of declared.nodes) {
    const node = namespace.addVariable({
      organizedBy: space.rootFolder.objects,
      browseName: name,
      nodeId: `s=${name}`,
      dataType: types[type.replace("[]", "")],
      valueRank: type.endsWith("[]") ? 1 : -1,
      minimumSamplingInterval: 0,
    });
    node.setValueFromSource(variant(type, initial));
    nodes.set(name, { node, type });
  }
  await server.start();
  const lines = readline.createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    const { name, value, quality, time, ask } = JSON.parse(line);
    if (ask === "sessions") {
      console.log(JSON.stringify({ sessions: server.currentSessionCount }));
      return;
    }
    const { node, type } = nodes.get(name);
    if (ask === "delete") {
      namespace.deleteNode(node);
      console.log(JSON.stringify({ deleted: name }));
      return;
    }
    const now = new Date(time);
    node.setValueFromSource(variant(type, value), qualities[quality], now);
    console.log(JSON.stringify({ done: name }));
  });
  lines.on("close", () => process.exit(0));
  console.log(JSON.stringify({ port: server.endpoints[0].port }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
