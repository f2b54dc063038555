import { type Address, formatAddress } from "../address.ts";
import { reasonOf } from "../errors.ts";
import { encodeProxyHeader } from "./proxy-protocol.ts";
import { type BackendAddress, connect, explainFailure, knownAddresses } from "./target.ts";

/** Milliseconds between tries: they grow between these two. */
const pauses = { first: 5, longest: 100 };
/** Milliseconds between the two connections that a server has to take. */
const settling = 100;

/** How a server is found to be ready. */
export interface ReadinessOptions {
  /** Milliseconds, Infinity for no limit. */
  timeout: number;
  proxyProtocol: "v1" | "v2" | undefined;
  /** Ends the waiting. */
  signal: AbortSignal;
}

/**
 * Waits until the server at a Unix socket takes connections, and returns null; or why it does not, as the end of a sentence, after
 * `timeout`. Many listen some time before that: gunicorn's workers load the application afterwards. So it gets a connection that ends
 * without a byte of a client's, and is ready when it answers that or closes it, and does so again: the first time it may have closed
 * its socket, as gunicorn does when a worker cannot load the application.
 */
export async function untilReady(
  address: Address,
  { timeout, proxyProtocol, signal }: ReadinessOptions,
): Promise<string | null> {
  const [place] = knownAddresses(address) ?? [];
  if (place === undefined) throw new Error(`${formatAddress(address)} is no Unix socket`);
  const header = proxyProtocol === undefined ? null : encodeProxyHeader(proxyProtocol, null);
  const deadline = performance.now() + timeout;
  const unanswered = `it listens at ${formatAddress(address)} and takes no connection; check that it accepts them`;
  for (let pause = pauses.first; !signal.aborted; pause = Math.min(pause * 1.5, pauses.longest)) {
    const left = deadline - performance.now();
    try {
      if (!(await answers(place, header, deadline, signal))) return unanswered;
      await Bun.sleep(settling);
      return (await answers(place, header, deadline, signal)) ? null : unanswered;
    } catch (error) {
      if (left <= 0) return explainFailure(reasonOf(error), address);
    }
    await Bun.sleep(Math.max(0, Math.min(pause, left)));
  }
  return null;
}

/** Whether a server says something or closes the connection until `deadline`, or the waiting has ended. Throws where it does not listen. */
async function answers(
  place: BackendAddress,
  header: Uint8Array | null,
  deadline: number,
  signal: AbortSignal,
): Promise<boolean> {
  if (signal.aborted) return true;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  let close = () => {};
  connect<undefined>(place, undefined, {
    open: (socket) => {
      close = () => socket.terminate();
      if (header !== null) socket.write(header);
      socket.shutdown();
    },
    data: () => resolve(true),
    end: () => resolve(true),
    close: () => resolve(true),
    error: () => resolve(true),
  });
  const left = Math.max(0, deadline - performance.now());
  const timer = left === Number.POSITIVE_INFINITY ? undefined : setTimeout(() => resolve(false), left);
  signal.addEventListener("abort", () => resolve(true), { once: true });
  const answered = await promise;
  clearTimeout(timer);
  close();
  return answered;
}
