/** The status line: `set-status <status> [reason <str>]` (manual, 4.2 `http-response`). */
import { isFieldValue } from '../../http/characters.js';
import { standardReason } from '../../http/status.js';
import type { Action, ActionDescriptor, RuleWords } from '../action.js';
import { Verdict } from '../verdict.js';

function compileSetStatus(words: RuleWords): Action | undefined {
	const word = words.next();
	if (word === undefined) return words.fail('expects 1 argument: <status>; or 3 arguments: <status> reason <fmt>');
	if (!/^\d{3}$/.test(word) || Number(word) < 100) {
		return words.fail('expects an integer status code between 100 and 999');
	}
	const status = Number(word);
	// A 1xx is no final response (RFC 9110, section 15.2): the client would go on waiting.
	if (status < 200) return words.fail(`status code '${word}' does not end a response`);
	let reason = standardReason(status);
	if (words.peek() === 'reason') {
		words.position++;
		const text = words.next();
		if (text === undefined) return words.fail("missing argument for 'reason'");
		if (!isFieldValue(text)) return words.fail('control character in the reason');
		reason = text;
	}
	return (stream) => {
		const response = stream.response;
		if (response !== undefined) {
			response.status = status;
			response.reason = reason;
		}
		return Verdict.CONTINUE;
	};
}

export const RESPONSE_ACTIONS: readonly ActionDescriptor[] = [
	{ name: 'set-status', sites: ['http-response', 'http-after-response'], compile: compileSetStatus },
];
