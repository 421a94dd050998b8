/**
 * Actions that bring filters into play: `cache-use`, `cache-store` (manual, 6.2.2) and `set-bandwidth-limit` (manual of
 * 2.7, 9.7).
 */
import { parseSize, parseTimeMs } from '../../core/units.js';
import type { Expression } from '../../sample/types.js';
import { toInt } from '../../sample/values.js';
import { type Action, type ActionDescriptor, proxyLabel, type RuleWords } from '../action.js';
import type { StreamControl } from '../stream-control.js';
import { Verdict } from '../verdict.js';

/** That the section exists is checked when all of them are known (config/check-filters.ts). */
function compileCache(words: RuleWords, act: (stream: StreamControl, name: string) => void): Action | undefined {
	const name = words.next();
	if (name === undefined || name === 'if' || name === 'unless') return words.fail('expects a cache name');
	return (stream) => {
		act(stream, name);
		return Verdict.CONTINUE;
	};
}

/** A figure of `set-bandwidth-limit`: fixed, or computed for each stream; without a value the filter's own holds. */
type Figure = number | Expression | undefined;

function compileBandwidth(words: RuleWords): Action | undefined {
	const name = words.next();
	if (name === undefined || name === 'if' || name === 'unless')
		return words.fail('expects a bandwidth limit filter name');
	const proxy = words.context.proxy;
	const filter = proxy?.filters.find((one) => one.kind === 'bwlim' && one.name === name);
	if (filter === undefined || filter.kind !== 'bwlim') {
		return words.fail(`unable to find bandwidth limit filter '${name}' in ${proxyLabel(words.context)}`);
	}
	let limit: Figure;
	let period: Figure;
	for (;;) {
		const isLimit = words.peek() === 'limit';
		if (!isLimit && words.peek() !== 'period') break;
		const word = words.next() as string;
		if (filter.shared !== undefined) return words.fail(`'${word}' cannot be set for the shared limit '${name}'`);
		const figure = figureOf(words, isLimit);
		if (figure === undefined) return undefined;
		if (isLimit) limit = figure;
		else period = figure;
	}
	return (stream) => {
		stream.limitBandwidth(name, valueFor(limit, stream), valueFor(period, stream));
		return Verdict.CONTINUE;
	};
}

function figureOf(words: RuleWords, isLimit: boolean): number | Expression | undefined {
	const text = words.peek() ?? '';
	if (!/^\d/.test(text)) return words.expression();
	const parsed = isLimit ? parseSize(text) : parseTimeMs(text);
	if (!parsed.ok || parsed.value <= 0) return words.fail(`invalid ${isLimit ? 'limit' : 'period'} '${text}'`);
	words.next();
	return parsed.value;
}

function valueFor(figure: Figure, stream: StreamControl): number | undefined {
	if (figure === undefined || typeof figure === 'number') return figure;
	const value = figure.evaluate(stream);
	const integer = value === undefined ? undefined : toInt(value);
	return integer === undefined || integer <= 0 ? undefined : Number(integer);
}

export const FILTER_ACTIONS: readonly ActionDescriptor[] = [
	{
		name: 'cache-use',
		sites: ['http-request'],
		compile: (words) => compileCache(words, (stream, name) => stream.useCache(name)),
	},
	{
		name: 'cache-store',
		sites: ['http-response'],
		compile: (words) => compileCache(words, (stream, name) => stream.storeInCache(name)),
	},
	{
		name: 'set-bandwidth-limit',
		sites: ['tcp-request content', 'tcp-response content', 'http-request', 'http-response'],
		compile: compileBandwidth,
	},
];
