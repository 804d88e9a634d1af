// A member in a process of its own, so that it can be killed: joins the presence and stays.

globalThis.navigator ??= { userAgent: `Node.js/${process.version}` };
const { SharedMap, SharedString } = await import("fluid-framework/legacy");
const { SharedTree } = await import("fluid-framework");
const { LeveeClient } = await import("levee-client");

const [httpUrl, tenantId, tenantKey, documentId] = process.argv.slice(2);
const client = new LeveeClient({
  connection: { httpUrl, tenantId, tenantKey, user: { id: "peer", name: "Peer" } },
});
const schema = { initialObjects: { map: SharedMap, text: SharedString, tree: SharedTree } };
const { services } = await client.getContainer(documentId, schema, "2.100.0");
services.presence().join({ x: 7, y: 7 });
