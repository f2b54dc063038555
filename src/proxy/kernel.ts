import {
  isDisconnected,
  readableBytes,
  receiveInto,
  sendRoom,
  setKeepAlive,
  setReceiveBuffer,
  setSendBuffer,
  unansweredFor,
  unsentBytes,
} from "../system/sockets.ts";

/** What only the kernel knows of a socket or can do with one; unit tests play it. The functions are documented in sockets.ts. */
export const kernel = {
  isDisconnected,
  readableBytes,
  receiveInto,
  sendRoom,
  setKeepAlive,
  setReceiveBuffer,
  setSendBuffer,
  unansweredFor,
  unsentBytes,
};

export type Kernel = typeof kernel;
