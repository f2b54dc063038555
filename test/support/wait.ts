/**
 * Waits until a condition holds, asking again every 5 milliseconds, and returns its (true) value.
 * Throws once `timeout` milliseconds have passed; `what` (or what it returns by then) says in that error what did not
 * happen.
 */
export async function waitFor<T>(
  what: string | (() => string | Promise<string>),
  condition: () => T | Promise<T>,
  timeout = 10_000,
): Promise<T> {
  const deadline = performance.now() + timeout;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > deadline) {
      throw new Error(`waited ${timeout} ms in vain for ${typeof what === "string" ? what : await what()}`);
    }
    await Bun.sleep(5);
  }
}
