import { type Address, formatAddress } from "../address.ts";
import { reasonOf } from "../errors.ts";
import { encodeProxyHeader } from "./proxy-protocol.ts";
import { type BackendAddress, connect, explainFailure, knownAddresses } from "./target.ts";

/** Milliseconds between tries: they grow between these two. */
const pauses = { first: 5, longest: 100 };
/** Milliseconds for which a server that listens may leave a connection without an answer. */
const patience = 10_000;

/** How a server is found to be ready. Durations in milliseconds, Infinity for no limit. */
export interface ReadinessOptions {
  timeout: number;
  proxyProtocol: "v1" | "v2" | undefined;
  /** Ends the waiting. */
  signal: AbortSignal;
}

/**
 * Waits until the server at a Unix socket takes connections, and returns null; or why it does not, as the end of a sentence, after
 * `timeout`. Many listen some time before that: gunicorn's workers load the application afterwards. So it gets one connection
 * that ends without a byte, and is ready when it answers or closes that; or when it has listened for ten seconds without doing either.
 */
export async function untilReady(
  address: Address,
  { timeout, proxyProtocol, signal }: ReadinessOptions,
): Promise<string | null> {
  const [place] = knownAddresses(address) ?? [];
  if (place === undefined) throw new Error(`${formatAddress(address)} is no Unix socket`);
  const header = proxyProtocol === undefined ? null : encodeProxyHeader(proxyProtocol, null);
  const deadline = performance.now() + timeout;
  for (let pause = pauses.first; !signal.aborted; pause = Math.min(pause * 1.5, pauses.longest)) {
    try {
      await answerFrom(place, header, Math.min(patience, deadline - performance.now()), signal);
      return null;
    } catch (error) {
      if (performance.now() >= deadline) return explainFailure(reasonOf(error), address);
    }
    await Bun.sleep(Math.min(pause, deadline - performance.now()));
  }
  return null;
}

/** Resolves when a server has said something, has closed the connection, or has done neither for `timeout`. Throws where it does not listen. */
async function answerFrom(
  place: BackendAddress,
  header: Uint8Array | null,
  timeout: number,
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let close = () => {};
  connect<undefined>(place, undefined, {
    open: (socket) => {
      close = () => socket.terminate();
      if (header !== null) socket.write(header);
      socket.shutdown();
    },
    data: () => resolve(),
    end: () => resolve(),
    close: () => resolve(),
    error: () => resolve(),
  });
  const timer = setTimeout(resolve, timeout === Number.POSITIVE_INFINITY ? patience : timeout);
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
  clearTimeout(timer);
  close();
}
