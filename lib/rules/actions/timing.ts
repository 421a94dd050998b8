/** `set-timeout server|tunnel|client <time>|<expression>` (manual, 4.2; `client` and http-response as 3.x). */
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

export const TIMING_ACTIONS: readonly ActionDescriptor[] = [
	{ name: 'set-timeout', sites: ['http-request', 'http-response'], compile: compileSetTimeout },
];
