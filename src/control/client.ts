import { UserError } from "../errors.ts";
import { platform } from "../system/platform.ts";
import { userOf } from "../system/process.ts";
import { encodeAddress } from "../system/sockaddr.ts";
import { closeDescriptor, connectUnix, peerUser } from "../system/sockets.ts";
import { folderOf, folderProblem, socketIn } from "./folder.ts";
import {
  decodeAnswer,
  encode,
  exchangeTimeout,
  isStatus,
  longestAnswer,
  type Request,
  type Status,
} from "./protocol.ts";

/** Whose the process is, for who has looked already (null: there is none); and where the folders are, for tests. */
export interface Place {
  uid?: number | null;
  parent?: string | undefined;
}

/** Milliseconds between two tries where the daemon's queue is full. */
const betweenTries = 20;

/**
 * Why there is no answer, as a sentence. `no process`: there is none of that id. `forbidden`: it is another user's, and root alone may ask.
 * `no socket`: it is not a daemon that can be asked. `distrusted`: what is there may be somebody else's. `silent`: it does not answer.
 * `refused`: it answers that it cannot do that.
 */
export class NoAnswer extends UserError {
  constructor(
    readonly kind: "no process" | "forbidden" | "no socket" | "distrusted" | "silent" | "refused",
    sentence: string,
  ) {
    super(sentence);
  }
}

/** Asks the daemon of that process for its status. Throws a NoAnswer. */
export async function askStatus(pid: number, where?: Place): Promise<Status> {
  const answer = await ask(pid, { command: "status" }, where);
  if (!isStatus(answer)) {
    throw new NoAnswer("refused", `process ${pid} is of another version, and its answer lacks what this one looks for`);
  }
  // Whose account it is decides which process is asked next, for a reload.
  if (answer.pid === pid) return answer;
  throw new NoAnswer("distrusted", `process ${pid} gives the account of another process, ${answer.pid}`);
}

/**
 * Asks the daemon of a process, and resolves with its answer within a second. What another user has put in its place is not
 * believed: the folder and the process at the other end must be the user's that the process is. Throws a NoAnswer.
 */
export async function ask(
  pid: number,
  request: Request,
  { parent, uid = userOf(pid) }: Place = {},
): Promise<Record<string, unknown>> {
  if (uid === null) throw new NoAnswer("no process", `there is no process ${pid}`);
  const own = process.geteuid?.() ?? 0;
  if (own !== 0 && own !== uid) {
    throw new NoAnswer(
      "forbidden",
      `process ${pid} is another user's, and only that user and root may ask it; use sudo`,
    );
  }
  const folder = folderOf(uid, parent);
  const problem = folderProblem(folder, uid);
  if (problem !== null)
    throw new NoAnswer(problem.includes("ENOENT") ? "no socket" : "distrusted", noSocket(pid, problem));
  const deadline = performance.now() + exchangeTimeout;
  const fd = await connect(pid, folder, deadline);
  // What is at the path now may be another thing than a moment ago, and may be a link.
  if (peerUser(fd) !== uid) {
    closeDescriptor(fd);
    throw new NoAnswer("distrusted", `another user listens at ${socketIn(folder, pid)} in the place of process ${pid}`);
  }
  const answer = decodeAnswer(await exchange(pid, fd, request, deadline));
  if (answer === null) throw new NoAnswer("silent", `process ${pid} answers with something that is not an answer`);
  if (typeof answer.error === "string") throw new NoAnswer("refused", `process ${pid} refuses: ${answer.error}`);
  return answer;
}

async function connect(pid: number, folder: string, deadline: number): Promise<number> {
  const path = socketIn(folder, pid);
  const name = encodeAddress({ kind: "unix", path }, platform);
  for (;;) {
    try {
      return connectUnix(name);
    } catch (error) {
      const { code } = error as { code: string };
      if (code === "ENOENT") throw new NoAnswer("no socket", noSocket(pid, `there is no ${path}`));
      // A full queue is EAGAIN on Linux and ECONNREFUSED on macOS.
      if (code !== "EAGAIN" && code !== "ECONNREFUSED") {
        throw new NoAnswer("silent", `${path} cannot be connected to (${code})`);
      }
      if (performance.now() >= deadline) {
        const kind = code === "ECONNREFUSED" ? "no socket" : "silent";
        throw new NoAnswer(kind, `process ${pid} does not take questions at ${path} (${code})`);
      }
      await Bun.sleep(betweenTries);
    }
  }
}

function noSocket(pid: number, why: string): string {
  return `process ${pid} cannot be asked: ${why}; it does not run launch_socket_server, has become its program by --pass-sockets, or could not make its socket, as its log says`;
}

/** Sends the request and resolves with the first line that comes. Owns the descriptor. */
function exchange(pid: number, fd: number, request: Request, deadline: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const fail = (what: string) => reject(new NoAnswer("silent", `process ${pid} ${what}; try again`));
  let received = Buffer.alloc(0);
  const connecting = Bun.connect<undefined>({
    fd,
    allowHalfOpen: true,
    data: undefined,
    socket: {
      open: (socket) => void socket.write(encode(request)),
      data: (_, chunk) => {
        received = Buffer.concat([received, chunk]);
        const end = received.indexOf("\n");
        if (end >= 0) resolve(received.toString("utf8", 0, end));
        else if (received.length > longestAnswer) fail("answers without an end");
      },
      end: () => fail("ends without an answer"),
      close: () => fail("ends without an answer"),
    },
  });
  connecting.catch(() => fail("cannot be asked"));
  const timer = setTimeout(
    () => fail(`does not answer within ${exchangeTimeout / 1_000} s`),
    Math.max(0, deadline - performance.now()),
  );
  return promise.finally(async () => {
    clearTimeout(timer);
    (await connecting.catch(() => null))?.terminate();
  });
}
