/**
 * Vary (RFC 9111, section 4.1; manual, `process-vary`): which of a key's objects answers a request.
 *
 * Two fields can be varied on, as in HAProxy. Referer is compared as it is. Accept-Encoding is not compared but
 * understood: an object answers whoever accepts the coding it is in, so that `gzip` and `gzip, br` share one.
 */
import type { HeaderList } from '../http/message.js';

/** Bits: what an object varies on. */
export const Varies = { NOT: 0, ENCODING: 1, REFERER: 2 } as const;

/** What the response varies on; undefined: on something that no cache of ours can tell. */
export function variesOn(response: HeaderList): number | undefined {
	let bits: number = Varies.NOT;
	for (let at = response.indexOf('vary'); at >= 0; at = response.indexOf('vary', at + 1)) {
		for (const name of (response.values[at] as string).split(',')) {
			switch (name.trim().toLowerCase()) {
				case '':
					break;
				case 'accept-encoding':
					bits |= Varies.ENCODING;
					break;
				case 'referer':
					bits |= Varies.REFERER;
					break;
				default:
					return undefined;
			}
		}
	}
	return bits;
}

/** The registered content codings; with another one a response that varies is not stored (manual, 6.1). */
const KNOWN_CODINGS: ReadonlySet<string> = new Set([
	'aes128gcm',
	'br',
	'compress',
	'dcb',
	'dcz',
	'deflate',
	'exi',
	'gzip',
	'identity',
	'pack200-gzip',
	'x-compress',
	'x-gzip',
	'zstd',
]);

/** The codings of a response, in lower case; `identity` for none. Undefined: one that is unknown. */
export function codingsOf(response: HeaderList): string | undefined {
	const codings: string[] = [];
	for (let at = response.indexOf('content-encoding'); at >= 0; at = response.indexOf('content-encoding', at + 1)) {
		for (const part of (response.values[at] as string).split(',')) {
			const coding = part.trim().toLowerCase();
			if (coding === '') continue;
			if (!KNOWN_CODINGS.has(coding)) return undefined;
			codings.push(coding.replace(/^x-/, ''));
		}
	}
	return codings.length === 0 ? 'identity' : codings.sort().join(',');
}

/** Whether a request accepts every coding of an object; without the field it accepts any. */
export function acceptsCodings(request: HeaderList, codings: string): boolean {
	if (!request.has('accept-encoding')) return true;
	const weights = new Map<string, number>();
	for (let at = request.indexOf('accept-encoding'); at >= 0; at = request.indexOf('accept-encoding', at + 1)) {
		for (const element of (request.values[at] as string).split(',')) {
			const [token = '', ...parameters] = element.split(';');
			const weight = /^[ \t]*q[ \t]*=[ \t]*(\d(?:\.\d{0,3})?)/i.exec(parameters.join(';'))?.[1] ?? '1';
			const name = token.trim().toLowerCase().replace(/^x-/, '');
			if (name !== '') weights.set(name, Number(weight));
		}
	}
	return codings.split(',').every((coding) => {
		const weight = weights.get(coding) ?? weights.get('*');
		return weight === undefined ? coding === 'identity' : weight > 0;
	});
}
