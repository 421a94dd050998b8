/**
 * Status codes: the reason a proxy-made response gets, and the standard error pages, in the reference's words
 * (both read off its answers), so that clients and tests that match on them see no difference.
 */

/** Reasons that `return status <code>` and `set-status <code>` use. */
const REASONS: ReadonlyMap<number, string> = new Map([
	[100, 'Continue'],
	[101, 'Switching Protocols'],
	[102, 'Processing'],
	[103, 'Early Hints'],
	[200, 'OK'],
	[201, 'Created'],
	[202, 'Accepted'],
	[203, 'Non-Authoritative Information'],
	[204, 'No Content'],
	[205, 'Reset Content'],
	[206, 'Partial Content'],
	[207, 'Multi-Status'],
	[210, 'Content Different'],
	[226, 'IM Used'],
	[300, 'Multiple Choices'],
	[301, 'Moved Permanently'],
	[302, 'Moved Temporarily'],
	[303, 'See Other'],
	[304, 'Not Modified'],
	[305, 'Use Proxy'],
	[307, 'Temporary Redirect'],
	[308, 'Permanent Redirect'],
	[310, 'Too many Redirects'],
	[400, 'Bad Request'],
	[401, 'Unauthorized'],
	[402, 'Payment Required'],
	[403, 'Forbidden'],
	[404, 'Not Found'],
	[405, 'Method Not Allowed'],
	[406, 'Not Acceptable'],
	[407, 'Proxy Authentication Required'],
	[408, 'Request Time-out'],
	[409, 'Conflict'],
	[410, 'Gone'],
	[411, 'Length Required'],
	[412, 'Precondition Failed'],
	[413, 'Request Entity Too Large'],
	[414, 'Request-URI Too Long'],
	[415, 'Unsupported Media Type'],
	[416, 'Requested range unsatisfiable'],
	[417, 'Expectation failed'],
	[418, "I'm a teapot"],
	[421, 'Misdirected Request'],
	[422, 'Unprocessable Content'],
	[423, 'Locked'],
	[424, 'Method failure'],
	[425, 'Too Early'],
	[426, 'Upgrade Required'],
	[428, 'Precondition Required'],
	[429, 'Too Many Requests'],
	[431, 'Request Header Fields Too Large'],
	[449, 'Retry With'],
	[450, 'Blocked by Windows Parental Controls'],
	[451, 'Unavailable For Legal Reasons'],
	[456, 'Unrecoverable Error'],
	[499, 'client has closed connection'],
	[500, 'Internal Server Error'],
	[501, 'Not Implemented'],
	[502, 'Bad Gateway or Proxy Error'],
	[503, 'Service Unavailable'],
	[504, 'Gateway Time-out'],
	[505, 'HTTP Version not supported'],
	[506, 'Variant also negotiate'],
	[507, 'Insufficient storage'],
	[508, 'Loop detected'],
	[509, 'Bandwidth Limit Exceeded'],
	[510, 'Not extended'],
	[511, 'Network authentication required'],
	[520, 'Web server is returning an unknown error'],
]);

/** By hundreds, for codes without a name. */
const CLASS_REASONS: readonly string[] = ['Informational', 'Success', 'Redirection', 'Client Error', 'Server Error'];

export function standardReason(status: number): string {
	return REASONS.get(status) ?? CLASS_REASONS[Math.floor(status / 100) - 1] ?? 'Other';
}

/** One standard error page: the reason of its status line, and its text. */
interface ErrorPage {
	readonly reason: string;
	readonly body: Buffer;
}

function page(status: number, reason: string, text: string): readonly [number, ErrorPage] {
	return [status, { reason, body: Buffer.from(`<html><body><h1>${status} ${reason}</h1>\n${text}\n</body></html>\n`) }];
}

/**
 * The statuses that `errorfile`, `http-error` and `default-errorfiles` may name (manual, 4.2 `errorfile`). Their
 * reasons are not always those of `REASONS`: the reference has the two apart, and so have we. 414, 431 and
 * 505 are ours: the codec refuses with them.
 */
export const ERROR_PAGES: ReadonlyMap<number, ErrorPage> = new Map([
	page(200, 'OK', 'Service ready.'),
	page(400, 'Bad request', 'Your browser sent an invalid request.'),
	page(401, 'Unauthorized', 'You need a valid user and password to access this content.'),
	page(403, 'Forbidden', 'Request forbidden by administrative rules.'),
	page(404, 'Not Found', 'The resource could not be found.'),
	page(
		405,
		'Method Not Allowed',
		'A request was made of a resource using a request method not supported by that resource',
	),
	page(407, 'Unauthorized', 'You need a valid user and password to access this content.'),
	page(408, 'Request Time-out', "Your browser didn't send a complete request in time."),
	page(410, 'Gone', 'The resource is no longer available and will not be available again.'),
	page(413, 'Payload Too Large', 'The request entity exceeds the maximum allowed.'),
	page(414, 'Request-URI Too Long', 'The request target exceeds the maximum allowed.'),
	page(421, 'Misdirected Request', 'Request sent to a non-authoritative server.'),
	page(422, 'Unprocessable Content', 'The server cannot process the contained instructions.'),
	page(425, 'Too Early', 'Your browser sent early data.'),
	page(429, 'Too Many Requests', 'You have sent too many requests in a given amount of time.'),
	page(431, 'Request Header Fields Too Large', 'The header fields of the request exceed the maximum allowed.'),
	page(500, 'Internal Server Error', 'An internal server error occurred.'),
	page(501, 'Not Implemented', '.The server does not support the functionality required to fulfill the request.'),
	page(502, 'Bad Gateway', 'The server returned an invalid or incomplete response.'),
	page(503, 'Service Unavailable', 'No server is available to handle this request.'),
	page(504, 'Gateway Time-out', "The server didn't respond in time."),
	page(505, 'HTTP Version Not Supported', 'The server does not support the HTTP version of the request.'),
]);
