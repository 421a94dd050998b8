/** What the traffic log will say: `set-log-level` and `capture` (manual, 4.2 `http-request`). */

import { LOG_LEVELS } from '../../config/keywords/log.js';
import { RULE_LOG_STEPS } from '../../config/keywords/log-profile.js';
import { requestCaptureSlots, responseCaptureSlots, slotOfRule } from '../../sample/capture-slots.js';
import { toText } from '../../sample/values.js';
import { type Action, type ActionDescriptor, ALL_SITES, mayComeLater, type RuleWords } from '../action.js';
import { Verdict } from '../verdict.js';

function compileSetLogLevel(words: RuleWords): Action | undefined {
	const word = words.next() ?? '';
	const index = (LOG_LEVELS as readonly string[]).indexOf(word);
	if (index < 0 && word !== 'silent') {
		return words.fail("expects exactly 1 argument (log level name or 'silent')");
	}
	const level = word === 'silent' ? 'silent' : index;
	return (stream) => {
		stream.setLogLevel(level);
		return Verdict.CONTINUE;
	};
}

const EXPECTED = "expects <expression> [ 'len' <length> | id <idx> ]";

function compileCapture(words: RuleWords): Action | undefined {
	const { context } = words;
	const { site, proxy } = context;
	if (proxy === undefined) return words.fail('no frontend to capture for');
	const first = words.peek();
	if (first === undefined || first === '') return words.fail(EXPECTED);
	const expression = words.expression();
	if (expression === undefined) return undefined;
	const isRequest = site === 'http-request' || site === 'tcp-request content';
	const kind = words.next();
	const number = words.next();
	if (kind === undefined || number === undefined) {
		return words.fail(
			site === 'tcp-request content'
				? "a positive 'len' argument is mandatory"
				: isRequest
					? EXPECTED
					: "expects <expression> 'id' <idx>",
		);
	}
	let slot: number;
	if (kind === 'len') {
		if (!isRequest) return words.fail("expects 'id', found 'len'");
		if (proxy.kind === 'backend') return words.fail(`proxy '${proxy.name}' has no frontend capability`);
		if (!/^\d+$/.test(number) || Number(number) < 1) return words.fail('length must be > 0');
		slot = slotOfRule(proxy, context.place.file, context.place.line);
		if (slot < 0) return words.fail('a capture with a length must stand in a frontend');
	} else if (kind === 'id') {
		if (site === 'tcp-request content') return words.fail("a positive 'len' argument is mandatory");
		if (!/^\d+$/.test(number)) return words.fail(`cannot parse id '${number}'`);
		slot = Number(number);
		// A backend serves any frontend: whether the slot is there shows under traffic (manual, `capture`).
		const slots = isRequest ? requestCaptureSlots(proxy) : responseCaptureSlots(proxy);
		if (proxy.kind !== 'backend' && context.namesMayDangle !== true && slot >= slots.length) {
			return words.fail(`unable to find capture id '${slot}' referenced by ${site} capture rule`);
		}
	} else {
		return words.fail(isRequest ? EXPECTED : `expects 'id', found '${kind}'`);
	}
	return (stream) => {
		const value = expression.evaluate(stream);
		if (value === undefined) return mayComeLater(expression, stream, site) ? Verdict.YIELD : Verdict.CONTINUE;
		if (isRequest) stream.setRequestCapture(slot, toText(value));
		else stream.setResponseCapture(slot, toText(value));
		return Verdict.CONTINUE;
	};
}

/**
 * `do-log [profile <name>]` (HAProxy 3.1): a line now, beside those that are written anyway. What it says is the proxy's
 * log format, or what the log profile has for this kind of rule.
 */
function compileDoLog(words: RuleWords): Action | undefined {
	let profile: string | undefined;
	if (words.take('profile')) {
		profile = words.next();
		if (profile === undefined) return words.fail("'profile' expects the name of a log-profile section");
	}
	const step = RULE_LOG_STEPS[words.context.site as keyof typeof RULE_LOG_STEPS];
	return (stream) => {
		stream.doLog(step, profile);
		return Verdict.CONTINUE;
	};
}

export const LOGGING_ACTIONS: readonly ActionDescriptor[] = [
	{ name: 'do-log', sites: ALL_SITES, compile: compileDoLog },
	{
		name: 'set-log-level',
		sites: ['tcp-request content', 'tcp-response content', 'http-request', 'http-response', 'http-after-response'],
		compile: compileSetLogLevel,
	},
	{
		name: 'capture',
		sites: ['tcp-request content', 'http-request', 'http-response', 'http-after-response'],
		compile: compileCapture,
	},
];
