/**
 * Whether a message is compressed, and how: the rules of the manual (4.2 `compression`) as HAProxy 2.6 was seen to
 * apply them, pure functions of heads. What is done then is in compression.ts.
 */
import type { CompressionAlgorithm, CompressionModel } from '../../config/model.js';
import type { HeaderList, RequestHead, ResponseHead } from '../../http/message.js';

/** What each algorithm is called in Accept-Encoding and Content-Encoding. */
const CODING_OF: Readonly<Record<CompressionAlgorithm, string>> = {
	gzip: 'gzip',
	deflate: 'deflate',
	'raw-deflate': 'deflate',
	identity: 'identity',
	br: 'br',
};

/** The value of Content-Encoding; none for `identity`. */
export function contentCoding(algorithm: CompressionAlgorithm): string | undefined {
	return algorithm === 'identity' ? undefined : CODING_OF[algorithm];
}

/**
 * The algorithm that a client of these Accept-Encoding fields gets: the one of the highest weight, the first named of
 * those with equal weights. `*` stands for the algorithm declared last. `identity` needs no wish of the client.
 */
export function algorithmFor(
	headers: HeaderList,
	algorithms: readonly CompressionAlgorithm[],
): CompressionAlgorithm | undefined {
	let best: CompressionAlgorithm | undefined;
	let bestWeight = 0;
	for (let at = headers.indexOf('accept-encoding'); at >= 0; at = headers.indexOf('accept-encoding', at + 1)) {
		for (const element of (headers.values[at] as string).split(',')) {
			const semicolon = element.indexOf(';');
			const token = (semicolon < 0 ? element : element.slice(0, semicolon)).trim().toLowerCase();
			const found = findAlgorithm(token, algorithms);
			if (found === undefined) continue;
			const weight = semicolon < 0 ? 1000 : weightOf(element.slice(semicolon));
			if (weight > bestWeight) {
				best = found;
				bestWeight = weight;
			}
		}
	}
	if (best !== undefined) return best;
	return algorithms.includes('identity') ? 'identity' : undefined;
}

function findAlgorithm(token: string, algorithms: readonly CompressionAlgorithm[]): CompressionAlgorithm | undefined {
	for (let i = algorithms.length - 1; i >= 0; i--) {
		const algorithm = algorithms[i] as CompressionAlgorithm;
		if (token === '*' || token === CODING_OF[algorithm]) return algorithm;
	}
	return undefined;
}

/** Thousandths of `;q=0.5` (RFC 9110, section 12.4.2); what is no weight is 1. */
export function weightOf(parameters: string): number {
	const match = /;[ \t]*q[ \t]*=[ \t]*([01](?:\.\d{0,3})?)/i.exec(parameters);
	return match === null ? 1000 : Math.round(Number(match[1]) * 1000);
}

/** Browsers that call themselves Mozilla/4, but for MSIE 6 with XP SP2 and MSIE 7 and later, get nothing compressed. */
export function isUnfitBrowser(headers: HeaderList): boolean {
	const agent = headers.get('user-agent');
	if (agent === undefined || !agent.startsWith('Mozilla/4')) return false;
	const version = /MSIE ([^ ;.])/.exec(agent)?.[1] ?? '';
	if (version >= '7' && version <= '9') return false;
	return !(version === '6' && /; SV1/.test(agent)) && !/MSIE \d\d/.test(agent);
}

/** What is in Content-Type, up to its parameters. */
function isListedType(headers: HeaderList, types: readonly string[]): boolean {
	const value = headers.get('content-type');
	if (value === undefined) return types.length === 0;
	const lower = value.toLowerCase();
	if (lower.startsWith('multipart')) return false;
	return types.length === 0 || types.some((type) => lower.startsWith(type.toLowerCase()));
}

function hasBody(framing: ResponseHead['framing'], sizeMin: number): boolean {
	if (framing.kind === 'chunked') return true;
	return framing.kind === 'length' && framing.length > 0 && framing.length >= sizeMin;
}

const STATUSES: ReadonlySet<number> = new Set([200, 201, 202, 203]);
const WEAK_OR_STRONG_TAG = /^(?:W\/)?"[^"]*"$/;

/** Whether this response to that request may be compressed, once the client's wish is known. */
export function mayCompressResponse(
	response: ResponseHead,
	requestVersion: number,
	types: readonly string[],
	sizeMin: number,
): boolean {
	if (response.version < 11 || requestVersion < 11 || !STATUSES.has(response.status)) return false;
	const { headers } = response;
	if (!hasBody(response.framing, sizeMin) || headers.has('content-encoding')) return false;
	if (forbidsTransformation(headers) || !isListedType(headers, types)) return false;
	const tagAt = headers.indexOf('etag');
	if (tagAt < 0) return true;
	return headers.indexOf('etag', tagAt + 1) < 0 && WEAK_OR_STRONG_TAG.test(headers.values[tagAt] as string);
}

/** Requests as HAProxy 2.8 compresses them. */
export function mayCompressRequest(request: RequestHead, model: CompressionModel): boolean {
	const { headers } = request;
	if (request.version < 11 || !hasBody(request.framing, model.requestSizeMin)) return false;
	return (
		!headers.has('content-encoding') && !forbidsTransformation(headers) && isListedType(headers, model.requestTypes)
	);
}

function forbidsTransformation(headers: HeaderList): boolean {
	for (let at = headers.indexOf('cache-control'); at >= 0; at = headers.indexOf('cache-control', at + 1)) {
		if (/(?:^|[,\s])no-transform(?:$|[,\s])/i.test(headers.values[at] as string)) return true;
	}
	return false;
}

/** What the head says of the body that will follow it; its length is the engine's. */
export function markCompressedResponse(headers: HeaderList, algorithm: CompressionAlgorithm): void {
	const tagAt = headers.indexOf('etag');
	if (tagAt >= 0) {
		const tag = headers.values[tagAt] as string;
		// Byte for byte it is another representation now (RFC 9110, section 8.8.1).
		if (!tag.startsWith('W/')) headers.replaceAt(tagAt, `W/${tag}`);
	}
	if (headers.has('content-length')) {
		headers.remove('content-length');
		headers.add('transfer-encoding', 'chunked');
	}
	headers.add('vary', 'Accept-Encoding');
	const coding = contentCoding(algorithm);
	if (coding !== undefined) headers.add('content-encoding', coding);
}

export function markCompressedRequest(headers: HeaderList, algorithm: CompressionAlgorithm): void {
	if (headers.has('content-length')) {
		headers.remove('content-length');
		headers.add('transfer-encoding', 'chunked');
	}
	const coding = contentCoding(algorithm);
	if (coding !== undefined) headers.add('content-encoding', coding);
}
