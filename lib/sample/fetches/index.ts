/** Every fetch by name, and the names of the manual that are not built. */
import type { FetchDescriptor } from '../types.js';
import { CONNECTION_FETCHES } from './connection.js';
import { CONSTANT_FETCHES } from './constants.js';
import { HTTP_FETCHES } from './http.js';
import { INTERNAL_FETCHES } from './internal.js';
import { VARIABLE_FETCHES } from './variables.js';

export const FETCHES: ReadonlyMap<string, FetchDescriptor> = new Map(
	[...CONSTANT_FETCHES, ...INTERNAL_FETCHES, ...CONNECTION_FETCHES, ...VARIABLE_FETCHES, ...HTTP_FETCHES].map((row) => [
		row.name,
		row,
	]),
);

export const UNSUPPORTED_FETCHES: ReadonlySet<string> = new Set();
