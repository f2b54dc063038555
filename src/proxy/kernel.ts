import * as sockets from "../system/sockets.ts";
import { largeChunkRead } from "./garbage.ts";

/** What only the kernel knows of a socket or can do with one, and what is told of the memory for its data; unit tests play it. */
export type Kernel = Pick<
  typeof sockets,
  | "growReceiveBuffer"
  | "isDisconnected"
  | "offeredWindow"
  | "readableBytes"
  | "receiveInto"
  | "sendRoom"
  | "setKeepAlive"
  | "setReceiveBuffer"
  | "setSendBuffer"
  | "shutDownIfRead"
  | "unansweredFor"
  | "unsentBytes"
> & { largeChunkRead(length: number): void };

export const kernel: Kernel = { ...sockets, largeChunkRead };
