/** Strict base64 (RFC 4648): Node's own decoder skips what it does not know, a converter must refuse it. */

const STANDARD = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const URL_SAFE = /^[A-Za-z0-9_-]*={0,2}$/;

/** With padding, nothing else than the alphabet; undefined otherwise. */
export function decodeBase64(text: string): Buffer | undefined {
	return STANDARD.test(text) ? Buffer.from(text, 'base64') : undefined;
}

/** The URL-safe alphabet, padding optional. */
export function decodeBase64Url(text: string): Buffer | undefined {
	if (!URL_SAFE.test(text)) return undefined;
	return text.replace(/=+$/, '').length % 4 === 1 ? undefined : Buffer.from(text, 'base64url');
}
