import type { Socket, SocketHandler, SocketListener } from "bun";
import { reasonOf } from "../errors.ts";
import { startProcessorAlarm, stopProcessorAlarm } from "../system/processor-alarm.ts";
import { isShortage } from "../system/shortage.ts";
import { acceptClient, bindListener, closeDescriptor, duplicate, peerUser, setBacklog } from "../system/sockets.ts";
import { folderOf, makeFolder, removeDead, removeSocket, removeStale, socketIn } from "./folder.ts";
import { decodeRequest, encode, exchangeTimeout, longestRequest, type Request } from "./protocol.ts";

/** So many clients are heard at a time; others wait in the kernel's queue. */
const atOnce = 4;
/** The descriptors that the server may have open: its socket, the duplicate that accepts, and its clients. */
export const controlDescriptors = 2 + atOnce;
/** Milliseconds without a new client after every four: whoever asks without end costs the relay next to nothing. */
const rest = 100;
/** Milliseconds without a new client after accept(2) has failed for lack of descriptors or memory. */
const shortageRest = 5_000;
/** More clients are not kept waiting: they are refused. */
const queueLength = 8;

/** An answer that is an `error`'s sentence, or whatever the request asks for. */
export type Answer = (request: Request) => object;

/** What is there of a client's exchange. */
interface Exchange {
  request: Buffer;
  /** What of the answer is still to be sent; null before there is one. */
  answer: Uint8Array | null;
  deadline: Timer;
}

/**
 * Answers whoever asks this daemon about itself, its own user and root. There is no timer and no wake-up while nobody asks. It never
 * throws: a daemon that cannot be asked serves all the same.
 */
export class ControlServer {
  #listener: SocketListener<Exchange> | null = null;
  readonly #clients = new Set<Socket<Exchange>>();
  /** How many more are accepted before the next rest. */
  #left = 0;
  #rest: Timer | undefined;
  #state: "open" | "closed" = "open";

  private constructor(
    readonly path: string,
    /** Listens; what accepts are duplicates of it, which Bun closes. */
    readonly fd: number,
    readonly answer: Answer,
  ) {
    this.#accept();
    startProcessorAlarm(this.#probe);
  }

  /** Opens the socket of this process; where that cannot be, `tell` gets a line which says why, and null is returned. */
  static open(
    answer: Answer,
    tell: (line: string) => void,
    folder = folderOf(process.geteuid?.() ?? 0),
  ): ControlServer | null {
    const path = socketIn(folder, process.pid);
    let problem = makeFolder(folder, process.geteuid?.() ?? 0);
    if (problem === null) {
      try {
        removeStale(folder);
        // Of an earlier process with this one's id.
        removeDead(path);
        return new ControlServer(path, bindListener({ kind: "unix", path }, queueLength), answer);
      } catch (error) {
        problem = `${path} cannot be bound (${reasonOf(error)})`;
      }
    }
    tell(`--status will have no figures for this process: ${problem}`);
    return null;
  }

  /** Removes the socket and drops who is still asking; may be called twice. */
  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    stopProcessorAlarm(this.#probe);
    removeSocket(this.path);
    clearTimeout(this.#rest);
    this.#pause();
    for (const client of this.#clients) client.terminate();
    closeDescriptor(this.fd);
  }

  #accept(): void {
    this.#rest = undefined;
    this.#left = atOnce - this.#clients.size;
    let fd: number | undefined;
    try {
      fd = duplicate(this.fd);
      this.#listener = Bun.listen<Exchange>({ fd, allowHalfOpen: true, socket: this.#handlers });
      // Bun has set the queue to 511.
      setBacklog(fd, queueLength);
    } catch {
      // Out of descriptors or memory; who asks waits.
      if (fd !== undefined) closeDescriptor(fd);
      this.#acceptLater();
    }
  }

  #acceptLater(delay = rest): void {
    if (this.#state === "closed" || this.#rest !== undefined || this.#clients.size === atOnce) return;
    this.#rest = setTimeout(() => this.#accept(), delay);
  }

  /** While accept(2) fails Bun asks anew without end and tells nobody, as in proxy/listener.ts. */
  readonly #probe = (): void => {
    if (this.#listener === null) return;
    const client = acceptClient(this.fd);
    if (typeof client === "number") {
      const data = undefined as unknown as Exchange;
      Bun.connect<Exchange>({ fd: client, allowHalfOpen: true, data, socket: this.#handlers }).catch(() => {
        // The event loop has no memory for it: it is Bun's to close.
      });
    } else if (isShortage(client)) {
      this.#pause();
      this.#acceptLater(shortageRest);
    }
  };

  /** Works inside `open` too: not one connection more is accepted. */
  #pause(): void {
    this.#listener?.stop();
    this.#listener = null;
  }

  readonly #handlers: SocketHandler<Exchange> = {
    open: (socket) => {
      this.#clients.add(socket);
      if (--this.#left === 0) {
        this.#pause();
        this.#acceptLater();
      }
      socket.data = {
        request: Buffer.alloc(0),
        answer: null,
        deadline: setTimeout(() => socket.terminate(), exchangeTimeout),
      };
      if (!isTrusted(socket)) socket.terminate();
    },
    data: (socket, chunk) => {
      const exchange = socket.data;
      if (exchange.answer !== null) return;
      exchange.request = Buffer.concat([exchange.request, chunk.subarray(0, longestRequest)]);
      const end = exchange.request.indexOf("\n");
      if (end < 0 && exchange.request.length < longestRequest) return;
      exchange.answer = encode(this.#answerTo(end < longestRequest ? exchange.request.toString("utf8", 0, end) : ""));
      send(socket);
    },
    drain: send,
    end: (socket) => {
      // Nobody waits for an answer to half a question.
      if (socket.data.answer === null) socket.end();
    },
    close: (socket) => {
      clearTimeout(socket.data.deadline);
      this.#clients.delete(socket);
      if (this.#listener === null) this.#acceptLater();
    },
    error: (socket) => socket.terminate(),
  };

  #answerTo(line: string): object {
    const request = decodeRequest(line);
    if (request === null) return { error: "the request is not one that this version knows" };
    try {
      return this.answer(request);
    } catch (error) {
      return { error: `the daemon cannot answer (${reasonOf(error)})` };
    }
  }
}

/** The folder keeps others out already; this holds whatever has become of the folder. */
function isTrusted(socket: Socket<Exchange>): boolean {
  const user = peerUser(socket.fd);
  return user === 0 || user === process.geteuid?.();
}

/** Sends what the peer takes of the answer, and after the last of it the end. */
function send(socket: Socket<Exchange>): void {
  const { answer } = socket.data;
  if (answer === null || answer.length === 0) return;
  const count = socket.write(answer);
  if (count < 0) return socket.terminate();
  socket.data.answer = answer.subarray(count);
  if (count === answer.length) socket.end();
}
