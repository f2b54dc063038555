import * as sockets from "../system/sockets.ts";

/** What only the kernel knows of a socket or can do with one; unit tests play it. */
export type Kernel = Pick<
  typeof sockets,
  | "isDisconnected"
  | "readableBytes"
  | "receiveInto"
  | "sendRoom"
  | "setKeepAlive"
  | "setReceiveBuffer"
  | "setSendBuffer"
  | "shutDownIfRead"
  | "unansweredFor"
  | "unsentBytes"
>;

export const kernel: Kernel = sockets;
