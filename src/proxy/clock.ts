/** Events that are due at the same time. */
interface Appointment {
  readonly due: number;
  readonly events: Set<TimeEvent>;
}

/** Something that can wait a little, and is looked at from time to time. */
export interface TimeEvent {
  /** Does what is due at `now`, a time of performance.now(). Returns milliseconds until the next call; Infinity for none. */
  tick(now: number): number;
  /** When the next call is due. The clock's own; null at first. */
  appointment: Appointment | null;
}

/**
 * One timer for everything that can wait a little. Delays of half a second and more are rounded up by at most a quarter, so
 * that many events share one wake-up.
 */
export class Clock {
  readonly #appointments = new Map<number, Appointment>();
  #timer: Timer | undefined;
  #timerDue = Number.POSITIVE_INFINITY;

  /** Has `event` looked at in `delay` milliseconds (at least one), or sooner if that was wanted before. */
  schedule(event: TimeEvent, delay: number): void {
    if (delay === Number.POSITIVE_INFINITY) return;
    const due = roundUp(performance.now() + Math.max(1, delay), delay);
    if (event.appointment !== null && event.appointment.due <= due) return;
    this.cancel(event);
    event.appointment = this.#at(due);
    event.appointment.events.add(event);
  }

  /** Takes `event` out. */
  cancel(event: TimeEvent): void {
    event.appointment?.events.delete(event);
    event.appointment = null;
  }

  /** Ends all waiting. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timerDue = Number.POSITIVE_INFINITY;
    for (const { events } of this.#appointments.values()) for (const event of events) this.cancel(event);
    this.#appointments.clear();
  }

  #at(due: number): Appointment {
    let appointment = this.#appointments.get(due);
    if (appointment === undefined) {
      appointment = { due, events: new Set() };
      this.#appointments.set(due, appointment);
      if (due < this.#timerDue) this.#arm(due);
    }
    return appointment;
  }

  #arm(due: number): void {
    clearTimeout(this.#timer);
    this.#timerDue = due;
    this.#timer = setTimeout(() => this.#run(), Math.max(0, due - performance.now()));
    this.#timer.unref();
  }

  #run(): void {
    const now = performance.now();
    this.#timerDue = Number.POSITIVE_INFINITY;
    for (const appointment of [...this.#appointments.values()]) {
      if (appointment.due > now) continue;
      // An event may take others out, or schedule itself and others, which is for a later appointment.
      for (const event of appointment.events) {
        this.cancel(event);
        this.schedule(event, event.tick(now));
      }
      this.#appointments.delete(appointment.due);
    }
    const next = Math.min(...this.#appointments.keys());
    if (next < this.#timerDue) this.#arm(next);
  }
}

function roundUp(time: number, delay: number): number {
  if (delay < 500) return Math.ceil(time);
  const step = 2 ** Math.floor(Math.log2(delay / 4));
  return Math.ceil(time / step) * step;
}
