/** `use-service` (manual, 4.2): the request is answered by a part of the program, found by its name. */
import type { ActionDescriptor } from '../action.js';
import { Verdict } from '../verdict.js';

/** What lib/stats provides. */
const SERVICES: ReadonlySet<string> = new Set(['prometheus-exporter']);

export const SERVICE_ACTIONS: readonly ActionDescriptor[] = [
	{
		name: 'use-service',
		sites: ['http-request', 'tcp-request content'],
		compile: (words) => {
			const name = words.next();
			if (name?.startsWith('lua.'))
				return words.fail(`service '${name}' is not supported by holdfast (there is no Lua)`);
			if (words.context.site !== 'http-request') return words.fail(`'${name ?? ''}' unknown service name.`);
			if (name === undefined || !SERVICES.has(name)) return words.fail(`'${name ?? ''}' unknown service name.`);
			return (stream) => {
				stream.useService(name);
				return Verdict.STOP;
			};
		},
	},
];
