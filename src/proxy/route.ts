import type { Socket, SocketHandler } from "bun";
import type { Address } from "../address.ts";
import type { Log } from "../log.ts";
import type { ListeningSocket } from "../system/sockets.ts";
import { Dialer } from "./dial.ts";
import { Listener } from "./listener.ts";
import type { Side } from "./side.ts";
import type { Target } from "./target.ts";

/** What a route needs of the relay that it lives in. */
export interface RouteOwner {
  /** Milliseconds that a client waits for the target; Infinity for no limit. */
  readonly connectTimeout: number;
  /** What Bun calls for every socket, accepted or connected. */
  readonly handlers: SocketHandler<Side>;
  readonly log: Log;
  accepted(client: Socket<Side>, kind: Address["kind"], route: Route): void;
  /** Whether the route may accept may have changed. */
  changed(): void;
  /** The place of the target is gone. */
  targetGone(address: Address): void;
}

/** Sockets whose clients all go to one target, which another can take the place of. Owns the sockets. */
export class Route {
  target: Target;
  dialer: Dialer<Side>;
  readonly #listeners: Listener[];

  constructor(
    readonly sockets: ListeningSocket[],
    target: Target,
    readonly owner: RouteOwner,
  ) {
    this.target = target;
    this.dialer = this.#dialerFor(target);
    this.#listeners = sockets.map((socket) => {
      const { kind } = socket.address;
      const open = (client: Socket<Side>) => owner.accepted(client, kind, this);
      return new Listener(socket, { ...owner.handlers, open });
    });
  }

  /** New connections go to `target` from now on, and so do those that wait to be connected. */
  switchTo(target: Target): void {
    const before = this.dialer;
    this.target = target;
    this.dialer = this.#dialerFor(target);
    before.handOver(this.dialer);
  }

  /** Accepts as long as the target can be dialled, or with `room` false not at all. */
  adjust(room: boolean): void {
    const accepting = room && this.dialer.open;
    for (const listener of this.#listeners) accepting ? listener.accept() : listener.pause();
  }

  /** Finds out whether its listeners can accept. */
  probe(): void {
    for (const listener of this.#listeners) listener.probe();
  }

  /** Closes the sockets. */
  close(): void {
    for (const listener of this.#listeners) listener.close();
  }

  #dialerFor(target: Target): Dialer<Side> {
    const { connectTimeout, handlers, log } = this.owner;
    const dialer = new Dialer<Side>(target.address, connectTimeout, handlers, log);
    dialer.onChange = () => this.owner.changed();
    dialer.onMissing = () => {
      if (target.isGone()) this.owner.targetGone(target.address);
    };
    return dialer;
  }
}
