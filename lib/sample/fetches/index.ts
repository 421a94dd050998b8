/** Every fetch by name, and the names of HAProxy's manual that are not built. */
import type { FetchDescriptor } from '../types.js';
import { AUTH_FETCHES } from './auth.js';
import { BUFFER_FETCHES } from './buffers.js';
import { CONNECTION_FETCHES } from './connection.js';
import { CONSTANT_FETCHES } from './constants.js';
import { FILTER_FETCHES } from './filters.js';
import { HTTP_FETCHES } from './http.js';
import { INTERNAL_FETCHES } from './internal.js';
import { MULTIPLEX_FETCHES } from './multiplex.js';
import { STICK_TABLE_FETCHES } from './stick-table.js';
import { TIMING_FETCHES } from './timing.js';
import { TLS_FETCHES } from './tls.js';
import { TLS_HELLO_FETCHES } from './tls-hello.js';
import { UNSUPPORTED_FETCHES } from './unsupported.js';
import { VARIABLE_FETCHES } from './variables.js';

export { UNSUPPORTED_FETCHES };

export const FETCHES: ReadonlyMap<string, FetchDescriptor> = new Map(
	[
		...CONSTANT_FETCHES,
		...INTERNAL_FETCHES,
		...CONNECTION_FETCHES,
		...MULTIPLEX_FETCHES,
		...TLS_FETCHES,
		...TIMING_FETCHES,
		...TLS_HELLO_FETCHES,
		...VARIABLE_FETCHES,
		...STICK_TABLE_FETCHES,
		...BUFFER_FETCHES,
		...HTTP_FETCHES,
		...FILTER_FETCHES,
		...AUTH_FETCHES,
	].map((row) => [row.name, row]),
);
