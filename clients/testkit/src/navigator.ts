// Fluid 2.111 and newer read the global `navigator` unguarded; Node 20 does not have it.
globalThis.navigator ??= { userAgent: `Node.js/${process.version}` } as Navigator;
