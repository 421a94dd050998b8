/**
 * Which fields may not come after the body: a trailer arrives when the message has long been routed, judged by
 * rules and framed, and must not change any of that behind their back.
 */

/** Fields that would frame, route or authenticate after the fact (RFC 9110, section 6.5.1). */
export const FORBIDDEN_TRAILERS: ReadonlySet<string> = new Set([
	'content-length',
	'transfer-encoding',
	'host',
	'connection',
	'te',
	'trailer',
	'upgrade',
	'expect',
	'max-forwards',
	'cache-control',
	'authorization',
	'proxy-authorization',
	'www-authenticate',
	'proxy-authenticate',
	'cookie',
	'set-cookie',
	'content-type',
	'content-encoding',
	'content-range',
	'range',
	'location',
	'forwarded',
	'x-forwarded-for',
]);
