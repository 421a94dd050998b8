/**
 * The steps of a request's life as numbers, the loop that walks them, and what every step may do: wait, answer, end
 * the connection. What the steps are is told in steps.ts.
 */
import type { LocalReply } from '../rules/stream-control.js';
import type { Stream } from './stream.js';
import type { Cause, Phase } from './termination.js';

export const Step = {
	FRONTEND_CONTENT: 0,
	FRONTEND_REQUEST: 1,
	FRONTEND_SERVICE: 2,
	SWITCH: 3,
	BACKEND_CONTENT: 4,
	BACKEND_REQUEST: 5,
	BACKEND_SERVICE: 6,
	PREPARE: 7,
	SERVER: 8,
	CONNECT: 9,
	SERVE: 10,
	RESPONSE_CONTENT: 11,
	BACKEND_RESPONSE: 12,
	FRONTEND_RESPONSE: 13,
	RESPOND: 14,
	REPLY: 15,
	UPGRADE: 16,
	/** Left to the engine, or over. */
	WAIT: 17,
} as const;

/** What the stream's own deadline ends. */
export const Waiting = { NOTHING: 0, INSPECTION: 1, TARPIT: 2, TURN_AROUND: 3, BODY: 4, NAME: 5, PAUSE: 6 } as const;

export type StepFunction = (stream: Stream) => number;

/** By number; given by steps.ts, which knows them all. */
let steps: readonly StepFunction[] = [];

export function defineSteps(table: readonly StepFunction[]): void {
	steps = table;
}

export function run(stream: Stream, from: number): void {
	let step = from;
	while (step !== Step.WAIT) {
		stream.step = step;
		step = (steps[step] as StepFunction)(stream);
	}
}

export function wait(stream: Stream, waitingFor: number, delayMs: number): number {
	stream.waitingFor = waitingFor;
	stream.session.thread.wheel.set(stream, delayMs > 0 ? stream.nowMs + delayMs : 0);
	return Step.WAIT;
}

export function stopWaiting(stream: Stream): void {
	if (stream.waitingFor === Waiting.NOTHING) return;
	stream.waitingFor = Waiting.NOTHING;
	stream.session.thread.wheel.remove(stream);
}

export function replyWith(stream: Stream, reply: LocalReply): number {
	stream.localReply = reply;
	return Step.REPLY;
}

/** The client gets no answer. */
export function abort(stream: Stream, cause: Cause, phase: Phase): number {
	stream.terminate(cause, phase);
	stream.exchange.abort(stream.silent);
	return Step.WAIT;
}
