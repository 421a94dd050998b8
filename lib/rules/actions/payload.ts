/**
 * Actions about the bodies of messages and what precedes them: `wait-for-body`, `early-hint`, `disable-l7-retry`,
 * `normalize-uri` (manual, 4.2).
 */
import { didYouMean } from '../../core/diagnostics.js';
import { parseSize, parseTimeMs } from '../../core/units.js';
import { isTargetText, isToken } from '../../http/characters.js';
import { NORMALIZERS } from '../../http/normalize-uri.js';
import { type Action, type ActionDescriptor, type RuleWords, rewriteFailed } from '../action.js';
import { Verdict } from '../verdict.js';

/** `wait-for-body time <time> [at-least <bytes>]`. */
function compileWaitForBody(words: RuleWords): Action | undefined {
	let timeMs: number | undefined;
	let atLeastBytes = 0;
	for (;;) {
		if (words.take('time')) {
			const parsed = parseTimeMs(words.next() ?? '');
			if (!parsed.ok) return words.fail(`'time' argument must be a positive duration (${parsed.reason})`);
			timeMs = parsed.value;
		} else if (words.take('at-least')) {
			const parsed = parseSize(words.next() ?? '');
			if (!parsed.ok) return words.fail(`'at-least' argument must be a size (${parsed.reason})`);
			atLeastBytes = parsed.value;
		} else break;
	}
	if (timeMs === undefined) return words.fail(`missing time to wait: 'time <time>'`);
	const waitMs = Math.max(1, timeMs);
	const ofResponse = words.context.site === 'http-response';
	return (stream) => (stream.hasBody(ofResponse, atLeastBytes, waitMs) ? Verdict.CONTINUE : Verdict.YIELD);
}

/**
 * `early-hint <name> <fmt>`: a field of a response 103 (RFC 8297). As in HAProxy the response goes out with this rule,
 * unless the next one adds to it whatever comes: another hint without a condition.
 */
function compileEarlyHint(words: RuleWords): Action | undefined {
	const name = words.next();
	const text = words.next();
	if (name === undefined || text === undefined || !words.atCondition())
		return words.fail('expects exactly 2 arguments');
	if (!isToken(name)) return words.fail(`'${name}' is not the name of a field`);
	const format = words.format(text);
	if (format === undefined) return undefined;
	const lowerName = name.toLowerCase();
	const [nextKeyword, , , nextCondition] = words.nextRule ?? [];
	const isLast = nextKeyword !== 'early-hint' || nextCondition !== undefined;
	return (stream) => {
		stream.addEarlyHint(lowerName, format.render(stream), isLast);
		return Verdict.CONTINUE;
	};
}

function compileNormalizeUri(words: RuleWords): Action | undefined {
	const name = words.next();
	if (name === undefined) return words.fail('missing argument <normalizer>');
	const option = ['full', 'strict'].find((word) => words.take(word));
	const normalizer = NORMALIZERS.get(option === undefined ? name : `${name} ${option}`);
	if (normalizer === undefined) {
		if (NORMALIZERS.has(name)) return words.fail(`unknown argument '${option}' for '${name}' normalizer`);
		return words.fail(`unknown normalizer '${name}'${didYouMean(name, NORMALIZERS.keys())}`);
	}
	return (stream) => {
		const { request } = stream;
		if (request === undefined) return Verdict.CONTINUE;
		const target = normalizer(request.target);
		if (target === undefined) {
			stream.noteMalformed();
			stream.setReply(stream.errorReply(400));
			return Verdict.DENY;
		}
		if (target === request.target) return Verdict.CONTINUE;
		if (!isTargetText(target)) return rewriteFailed(stream);
		request.target = target;
		return Verdict.CONTINUE;
	};
}

export const PAYLOAD_ACTIONS: readonly ActionDescriptor[] = [
	{ name: 'wait-for-body', sites: ['http-request', 'http-response'], compile: compileWaitForBody },
	{ name: 'early-hint', sites: ['http-request'], compile: compileEarlyHint },
	{ name: 'normalize-uri', sites: ['http-request'], compile: compileNormalizeUri },
	{
		name: 'disable-l7-retry',
		sites: ['http-request'],
		compile: () => (stream) => {
			stream.disableL7Retry();
			return Verdict.CONTINUE;
		},
	},
];
