/** `set-timeout`, `pause` and `set-retries` (manual, 4.2; `client`, http-response and the last two as 3.x). */
import { MAX_TIME_MS, parseTimeMs } from '../../core/units.js';
import { toInt } from '../../sample/values.js';
import type { Action, ActionDescriptor, RuleWords } from '../action.js';
import { Verdict } from '../verdict.js';

type Which = 'server' | 'tunnel' | 'client';

function compileSetTimeout(words: RuleWords): Action | undefined {
	const which = words.next();
	const text = words.peek();
	if (which === undefined || text === undefined || text === '') return words.fail('expects exactly 2 arguments');
	if (which !== 'server' && which !== 'tunnel' && which !== 'client') {
		return words.fail(`'set-timeout' rule supports 'server'/'tunnel'/'client' (got '${which}')`);
	}
	const proxy = words.context.proxy;
	if (which !== 'client' && proxy?.kind === 'frontend') {
		return words.fail(`proxy '${proxy.name}' has no backend capability`);
	}
	return /^\d/.test(text) ? compileFixed(words, which) : compileDynamic(words, which);
}

function compileFixed(words: RuleWords, which: Which): Action | undefined {
	const parsed = parseTimeMs(words.next() ?? '');
	if (!parsed.ok) return words.fail(`${parsed.reason} in rule 'set-timeout ${which}'`);
	if (parsed.value === 0) return words.fail(`null value is not valid for a 'set-timeout ${which}' rule`);
	const milliseconds = parsed.value;
	return (stream) => {
		stream.setTimeout(which, milliseconds);
		return Verdict.CONTINUE;
	};
}

function compileDynamic(words: RuleWords, which: Which): Action | undefined {
	const expression = words.expression();
	if (expression === undefined) return undefined;
	return (stream) => {
		const value = expression.evaluate(stream);
		const milliseconds = value === undefined ? undefined : toInt(value);
		// No time, or one that no timer can hold, leaves the configured timeout in force.
		if (milliseconds !== undefined && milliseconds > 0 && milliseconds <= MAX_TIME_MS) {
			stream.setTimeout(which, Number(milliseconds));
		}
		return Verdict.CONTINUE;
	};
}

/** Longer than any request lives. */
const PAUSE_MAX_MS = MAX_TIME_MS;

/** `pause <time>|<expression>` (HAProxy 3.x): the rules go on when that long has passed. */
function compilePause(words: RuleWords): Action | undefined {
	const text = words.peek();
	if (text === undefined || text === '') return words.fail('expects exactly 1 argument, a time or an expression');
	const rule = {};
	if (/^\d/.test(text)) {
		const parsed = parseTimeMs(words.next() ?? '');
		if (!parsed.ok) return words.fail(`${parsed.reason} in rule 'pause'`);
		if (parsed.value === 0) return words.fail(`null value is not valid for a 'pause' rule`);
		const milliseconds = parsed.value;
		return (stream) => (stream.pause(rule, milliseconds) ? Verdict.CONTINUE : Verdict.YIELD);
	}
	const expression = words.integerExpression();
	if (expression === undefined) return undefined;
	return (stream) => {
		const value = expression.evaluate(stream);
		const milliseconds = value === undefined ? undefined : toInt(value);
		if (milliseconds === undefined || milliseconds <= 0 || milliseconds > PAUSE_MAX_MS) return Verdict.CONTINUE;
		return stream.pause(rule, Number(milliseconds)) ? Verdict.CONTINUE : Verdict.YIELD;
	};
}

const RETRIES_MAX = 100;

/** `set-retries <number>|<expression>` (HAProxy 3.x): in place of `retries` of the backend, for this stream. */
function compileSetRetries(words: RuleWords): Action | undefined {
	const text = words.peek();
	if (text === undefined || text === '') return words.fail('expects exactly 1 argument, a number or an expression');
	if (/^[-+]?\d+$/.test(text)) {
		const count = Number(words.next());
		if (count < 0 || count > RETRIES_MAX) return words.fail(`expects a number from 0 to ${RETRIES_MAX}, got '${text}'`);
		return (stream) => {
			stream.setRetries(count);
			return Verdict.CONTINUE;
		};
	}
	const expression = words.integerExpression();
	if (expression === undefined) return undefined;
	return (stream) => {
		const value = expression.evaluate(stream);
		const count = value === undefined ? undefined : toInt(value);
		// Another number leaves the backend's in force.
		if (count !== undefined && count >= 0 && count <= RETRIES_MAX) stream.setRetries(Number(count));
		return Verdict.CONTINUE;
	};
}

export const TIMING_ACTIONS: readonly ActionDescriptor[] = [
	{ name: 'pause', sites: ['http-request', 'http-response'], compile: compilePause },
	{ name: 'set-retries', sites: ['tcp-request content', 'http-request'], compile: compileSetRetries },
	{ name: 'set-timeout', sites: ['http-request', 'http-response'], compile: compileSetTimeout },
];
