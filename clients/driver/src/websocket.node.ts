// Node 20 has no global WebSocket.

import { WebSocket as NodeWebSocket } from "ws";

/** The WebSocket that connections are made with. */
export const WebSocketImpl = NodeWebSocket as unknown as new (url: string) => object;
