/**
 * Order in the queue: `set-priority-class`, `set-priority-offset` (manual, 4.2). And two actions that are
 * accepted without effect, each with one notice: `set-nice`, for Node has no scheduler of requests, and
 * `wait-for-handshake`, for Node gives no data of an unfinished TLS handshake.
 */
import { toInt } from '../../sample/values.js';
import { type Action, type ActionDescriptor, mayComeLater, type RuleWords } from '../action.js';
import type { StreamControl } from '../stream-control.js';
import { Verdict } from '../verdict.js';

const PRIORITY_CLASS_MAX = 2047;
const PRIORITY_OFFSET_MAX_MS = 524287;

function compilePriority(
	words: RuleWords,
	limit: number,
	apply: (stream: StreamControl, value: number) => void,
): Action | undefined {
	const expression = words.integerExpression();
	if (expression === undefined) return undefined;
	const site = words.context.site;
	return (stream) => {
		const value = expression.evaluate(stream);
		if (value === undefined && mayComeLater(expression, stream, site)) return Verdict.YIELD;
		const integer = value === undefined ? undefined : toInt(value);
		if (integer !== undefined) apply(stream, Math.max(-limit, Math.min(limit, Number(integer))));
		return Verdict.CONTINUE;
	};
}

function compileNice(words: RuleWords): Action | undefined {
	const word = words.next();
	if (word === undefined || !/^[+-]?\d+$/.test(word)) return words.fail('expects exactly 1 argument (integer value)');
	words.context.diagnostics.noticeOnce(
		'set-nice',
		words.context.place,
		"'set-nice' has no effect: requests of a thread are served in the order of their events",
	);
	return () => Verdict.CONTINUE;
}

function compileWaitForHandshake(words: RuleWords): Action | undefined {
	words.context.diagnostics.noticeOnce(
		'wait-for-handshake',
		words.context.place,
		"'wait-for-handshake' has no effect: no request is read before the TLS handshake is complete",
	);
	return () => Verdict.CONTINUE;
}

const SITES = ['tcp-request content', 'http-request'] as const;

export const SCHEDULING_ACTIONS: readonly ActionDescriptor[] = [
	{
		name: 'set-priority-class',
		sites: SITES,
		compile: (words) => compilePriority(words, PRIORITY_CLASS_MAX, (stream, value) => stream.setPriorityClass(value)),
	},
	{
		name: 'set-priority-offset',
		sites: SITES,
		compile: (words) =>
			compilePriority(words, PRIORITY_OFFSET_MAX_MS, (stream, value) => stream.setPriorityOffsetMs(value)),
	},
	{
		name: 'set-nice',
		sites: ['tcp-request content', 'tcp-response content', 'http-request', 'http-response'],
		compile: compileNice,
	},
	{ name: 'wait-for-handshake', sites: ['http-request'], compile: compileWaitForHandshake },
];
