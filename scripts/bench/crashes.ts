/**
 * How many answers that a crash of the program cuts off look whole to the client, who gets FIN in place of a reset: the sockets
 * of a process are closed before its end can be seen. Each round starts the program anew and kills it in mid-answer.
 *
 *   bun scripts/bench/crashes.ts [ROUNDS]
 */
import { order } from "../../test/support/client.ts";
import { backendCommand } from "../../test/support/faulty-backend.ts";
import { serve } from "../../test/support/program-under-test.ts";

const rounds = Number(process.argv[2] ?? 1_000);
const endings: Record<string, number> = {};
for (let round = 0; round < rounds; round++) {
  await using daemon = await serve({ program: [...backendCommand] });
  using client = await order(daemon.address, { answer: 200, last: "crash" });
  await client.over();
  endings[client.state] = (endings[client.state] ?? 0) + 1;
  await daemon.ended();
}
const whole = (endings.ended ?? 0) + (endings.closed ?? 0);
console.log(`${whole} of ${rounds} answers that a crash cut off look whole: ${((100 * whole) / rounds).toFixed(1)} %`);
