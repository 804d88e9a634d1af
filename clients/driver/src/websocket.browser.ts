/** The WebSocket that connections are made with. */
export const WebSocketImpl = globalThis.WebSocket as unknown as new (url: string) => object;
