/**
 * Times and outcome of a stream as fetches of their own (manual of 3.x, 7.3.2 and 7.3.6): what `log-format` shows as `%TR`,
 * `%Tw`, `%ts` and so on. For logs, where they are complete; dates are there in every rule.
 */
import type { CompileContext, Evaluate, FetchDescriptor, SampleType, SampleValue, StreamView } from '../types.js';
import { optional, plain, textArgument } from './define.js';
import { checkTimeUnit } from './internal.js';

const PER_MILLISECOND: ReadonlyMap<string, number> = new Map([
	['s', 1 / 1000],
	['ms', 1],
	['us', 1000],
]);

/** `accept_date([<unit>])`: a moment of the wall clock, in seconds or in the unit. */
function dateRow(name: string, read: (stream: StreamView) => number): FetchDescriptor {
	return {
		name,
		args: [optional('string')],
		type: 'sint',
		needs: ['stream'],
		check: (args) => checkTimeUnit(args, 0),
		compile: ([unit]): Evaluate => {
			const scale = PER_MILLISECOND.get(textArgument(unit) || 's') ?? 1;
			return (stream) => Math.floor(read(stream) * scale);
		},
	};
}

const inLogs = (
	name: string,
	type: SampleType,
	read: (log: StreamView['log']) => SampleValue | undefined,
): FetchDescriptor => plain(name, type, 'log', ({ log }) => read(log));

/** A time that was never reached is -1. */
const timer = (name: string, read: (timings: StreamView['log']['timings']) => number): FetchDescriptor =>
	inLogs(name, 'sint', ({ timings }) => read(timings));

export const TIMING_FETCHES: readonly FetchDescriptor[] = [
	dateRow('accept_date', ({ log }) => log.timings.acceptWallMs),
	dateRow('request_date', ({ log }) => log.timings.requestWallMs),
	timer('fc.timer.handshake', ({ handshakeMs }) => handshakeMs),
	timer('fc.timer.total', ({ totalMs }) => totalMs),
	timer('req.timer.idle', ({ idleMs }) => idleMs),
	timer('req.timer.hdr', ({ requestMs }) => requestMs),
	timer('req.timer.tq', ({ handshakeMs, idleMs, requestMs }) =>
		requestMs < 0 ? -1 : Math.max(0, handshakeMs) + Math.max(0, idleMs) + requestMs,
	),
	timer('req.timer.queue', ({ queueMs }) => queueMs),
	timer('bc.timer.connect', ({ connectMs }) => connectMs),
	timer('res.timer.hdr', ({ responseMs }) => responseMs),
	timer('res.timer.data', ({ dataMs }) => dataMs),
	timer('txn.timer.total', ({ activeMs }) => activeMs),
	timer('txn.timer.user', ({ userMs }) => userMs),
	inLogs('txn.conn_retries', 'sint', ({ retries }) => retries),
	inLogs('txn.redispatched', 'bool', ({ redispatched }) => redispatched),
	inLogs('txn.sess_term_state', 'str', ({ terminationState }) => terminationState.slice(0, 2)),
	inLogs('txn.status', 'sint', ({ statusCode }) => statusCode),
	plain('txn.id32', 'sint', 'stream', ({ log }) => log.requestCounter % 2 ** 32),
];

/** What `when()` asks of a stream. */
export type StreamTest = (stream: StreamView, context: CompileContext) => boolean;

/** Names of the conditions of the converter `when` (3.x); each may stand behind a `!`. */
export const STREAM_TESTS: ReadonlyMap<string, StreamTest> = new Map<string, StreamTest>([
	['error', ({ log }) => hasError(log)],
	['normal', ({ log }) => !hasError(log)],
	['forwarded', ({ log }) => log.serverSideSource !== undefined],
	['toapplet', ({ log }) => log.serviceName !== undefined],
	['processed', ({ log, backend }) => backend !== undefined || log.serviceName !== undefined],
	['stopping', (_stream, context) => context.process.isStopping()],
]);

/** Ended by anything else than the last byte of a response, which is `--`, or an answer of this program, `LR`. */
function hasError({ terminationState }: StreamView['log']): boolean {
	const cause = terminationState.charAt(0);
	return cause !== '-' && cause !== 'L';
}
