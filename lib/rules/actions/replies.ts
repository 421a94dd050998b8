/**
 * Answers of the proxy: `return`, `deny`, `tarpit`, `auth` (manual, 4.2 `http-request`). Redirects have a file
 * of their own.
 */

import type { Action, ActionDescriptor, RuleWords } from '../action.js';
import { quotedString, safeFieldValue } from '../field-values.js';
import { parseReply } from '../reply.js';
import { Verdict } from '../verdict.js';

interface Refusal {
	readonly defaultStatus: number;
	readonly verdict: Verdict;
	readonly tarpit?: boolean;
}

function compileReply(words: RuleWords, { defaultStatus, verdict, tarpit = false }: Refusal): Action | undefined {
	const isReturn = verdict === Verdict.DONE;
	const parsed = parseReply(words, {
		defaultStatus,
		bareMeansErrorPage: !isReturn,
		allowDenyStatus: !isReturn,
	});
	if (parsed === undefined) return undefined;
	if (parsed.kind === 'default-errorfiles') {
		const status = parsed.status;
		return (stream) => {
			stream.setReply(stream.errorReply(status));
			if (tarpit) stream.setTarpit();
			return verdict;
		};
	}
	const reply = parsed.reply;
	return (stream) => {
		const made = reply.make(stream);
		if (made === undefined) {
			// A field of the reply cannot be sent. What was to be refused is refused all the same.
			stream.countFailedRewrite();
			if (isReturn) return Verdict.ERROR;
			stream.setReply(stream.errorReply(defaultStatus));
		} else {
			stream.setReply(made);
		}
		if (tarpit) stream.setTarpit();
		return verdict;
	};
}

/**
 * 401, or 407 to a client that speaks to us as to a proxy: `option http-use-proxy-header` and an absolute target
 * (manual, `http-request auth`).
 */
function compileAuth(words: RuleWords): Action | undefined {
	const proxy = words.context.proxy;
	let realm = proxy?.name ?? '';
	if (words.take('realm')) {
		const word = words.next();
		if (word === undefined) return words.fail('missing realm value');
		realm = word;
	}
	const challenge = safeFieldValue(`Basic realm=${quotedString(realm)}`);
	if (challenge === undefined) return words.fail('control character in the realm');
	const mayBeProxy = proxy?.options?.httpUseProxyHeader === true;
	return (stream) => {
		const target = stream.request?.target ?? '/';
		const asProxy = mayBeProxy && target !== '*' && !target.startsWith('/');
		const reply = stream.errorReply(asProxy ? 407 : 401);
		reply.headers.set(asProxy ? 'proxy-authenticate' : 'www-authenticate', challenge);
		stream.setReply(reply);
		// The reference counts an error of the client, but an intercepted request (`LR`), not a denied one.
		stream.countClientError();
		return Verdict.DONE;
	};
}

export const REPLY_ACTIONS: readonly ActionDescriptor[] = [
	{
		name: 'return',
		sites: ['http-request', 'http-response'],
		compile: (words) => compileReply(words, { defaultStatus: 200, verdict: Verdict.DONE }),
	},
	{
		name: 'deny',
		sites: ['http-request', 'http-response'],
		compile: (words) =>
			compileReply(words, {
				defaultStatus: words.context.site === 'http-request' ? 403 : 502,
				verdict: Verdict.DENY,
			}),
	},
	{
		name: 'tarpit',
		sites: ['http-request'],
		compile: (words) => compileReply(words, { defaultStatus: 500, verdict: Verdict.DENY, tarpit: true }),
	},
	{ name: 'auth', sites: ['http-request'], compile: compileAuth },
];
