"use strict";
// Small OPC UA servers on an independent stack, all in this process. Argument: the path of a local socket. Each connection
// to it is one server: the first JSON line declares it, the others are commands; when the connection ends, the server is
// gone at once, as if its process had been killed. The process ends with its stdin.
const net = require("net");
const readline = require("readline");
const {
  DataType, DataValue, MessageSecurityMode, OPCUACertificateManager, OPCUAServer, SecurityPolicy, StatusCodes, Variant,
  VariantArrayType,
} = require("node-opcua");

const types = {
  int16: DataType.Int16, uint16: DataType.UInt16, int32: DataType.Int32, uint32: DataType.UInt32,
  float: DataType.Float, double: DataType.Double, string: DataType.String, bool: DataType.Boolean,
  byte: DataType.Byte, bytestring: DataType.ByteString, localizedtext: DataType.LocalizedText,
  qualifiedname: DataType.QualifiedName, datetime: DataType.DateTime,
};
const madeOfText = {
  bytestring: (text) => Buffer.from(text), localizedtext: (text) => ({ text, locale: "en" }),
  qualifiedname: (text) => ({ name: text, namespaceIndex: 1 }), datetime: (text) => new Date(text),
};
const qualities = {
  good: StatusCodes.Good, uncertain: StatusCodes.UncertainLastUsableValue, bad: StatusCodes.BadSensorFailure,
};

function variant(type, value) {
  const array = type.endsWith("[]");
  const dataType = types[array ? type.slice(0, -2) : type];
  if (madeOfText[type]) value = madeOfText[type](value);
  return new Variant({ dataType, value, arrayType: array ? VariantArrayType.Array : VariantArrayType.Scalar });
}

// An alarm of a source is active while the variable of its name is true; the Server object is told of all of them.
function addAlarms(space, namespace, { alarms }, nodes) {
  if (!alarms.length) return;
  space.installAlarmsAndConditionsService();
  const normal = namespace.addVariable({ organizedBy: space.rootFolder.objects, browseName: "Normal", dataType: "Boolean" });
  normal.setValueFromSource(variant("bool", false));
  const sources = new Map();
  for (const { name, source } of alarms) {
    if (!sources.has(source)) {
      sources.set(source, namespace.addObject({
        organizedBy: space.rootFolder.objects, browseName: source, eventSourceOf: space.rootFolder.objects.server,
      }));
    }
    const of = sources.get(source);
    const node = namespace.addVariable({
      componentOf: of, browseName: name, nodeId: `s=${name}`, dataType: DataType.Boolean, eventSourceOf: of,
    });
    node.setValueFromSource(variant("bool", false));
    nodes.set(name, { node, type: "bool" });
    namespace.instantiateOffNormalAlarm({
      browseName: `${name}Alarm`, componentOf: of, conditionSource: of, conditionOf: of, conditionName: name, inputNode: node,
      normalState: normal,
    });
  }
}

async function serve(declared) {
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
    securityPolicies: [SecurityPolicy.None, ...(declared.encryptsLogins ? [SecurityPolicy.Basic256Sha256] : [])],
    securityModes: [MessageSecurityMode.None, ...(declared.onlyOpen ? [] : [MessageSecurityMode.SignAndEncrypt])],
    serverCapabilities: {
      maxSessions: declared.sessions,
      ...(declared.itemsPerSubscription && { maxMonitoredItemsPerSubscription: declared.itemsPerSubscription }),
      ...(declared.subscriptions && { maxSubscriptionsPerSession: declared.subscriptions }),
    },
    allowAnonymous: declared.password === null && !declared.certifiedUsers,
    userManager: { isValidUser: (_user, password) => password === declared.password },
    serverInfo: { applicationUri: declared.applicationUri },
    disableDiscovery: false,
    ...(declared.tokenLifetimeMs && { defaultSecureTokenLifetime: declared.tokenLifetimeMs }),
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
  addAlarms(space, namespace, declared, nodes);
  await server.start();
  return { server, namespace, nodes };
}

function obey({ server, namespace, nodes }, { name, value, quality, time, ask }) {
  if (ask === "sessions") return { sessions: server.currentSessionCount };
  const { node, type } = nodes.get(name);
  if (ask === "delete") {
    namespace.deleteNode(node);
    return { deleted: name };
  }
  node.setValueFromSource(variant(type, value), qualities[quality], new Date(time));
  return { done: name };
}

function kill(server) {
  for (const endpoint of server.endpoints) endpoint.abruptlyInterruptChannels();
  return server.shutdown(0);
}

async function host(connection) {
  let served = null;
  const ended = new Promise((resolve) => connection.on("close", resolve));
  connection.on("error", () => {});
  for await (const line of readline.createInterface({ input: connection })) {
    let answer;
    try {
      if (served === null) {
        served = await serve(JSON.parse(line));
        answer = { port: served.server.endpoints[0].port };
      } else {
        answer = obey(served, JSON.parse(line));
      }
    } catch (error) {
      answer = { failed: String(error.stack) };
    }
    connection.write(`${JSON.stringify(answer)}\n`);
  }
  await ended;
  if (served !== null) await kill(served.server);
}

process.stdin.on("end", () => process.exit(0)).resume();
net.createServer((connection) => host(connection).catch((error) => console.error(error))).listen(process.argv[2]);
