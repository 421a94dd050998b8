/**
 * Authentication that belongs to a connection instead of a request: NTLM, and what negotiates it. Whatever is sent later on
 * such a connection counts as its user's, so it must never serve another client (manual, `http-reuse`).
 */
import type { ResponseHead } from './message.js';

/** What the server offers authenticates the connection. */
export function authenticatesConnection({ status, headers }: ResponseHead): boolean {
	if (status !== 401 && status !== 407) return false;
	const name = status === 401 ? 'www-authenticate' : 'proxy-authenticate';
	for (let index = headers.indexOf(name); index >= 0; index = headers.indexOf(name, index + 1)) {
		if (/(?:^|,)[ \t]*(?:NTLM|Nego)/i.test(headers.values[index] ?? '')) return true;
	}
	return false;
}
