/** Every command, and the registry that finds them. */
import { withJsonLines } from '../json-lines.js';
import { CommandRegistry } from '../registry.js';
import { AGGREGATION_COMMANDS } from './aggregations.js';
import { CACHE_COMMANDS } from './cache.js';
import { DYNAMIC_SERVER_COMMANDS } from './dynamic-servers.js';
import { ERROR_COMMANDS } from './errors.js';
import { EVENT_COMMANDS } from './events.js';
import { INFO_COMMANDS } from './info.js';
import { LIMIT_COMMANDS } from './limits.js';
import { OCSP_COMMANDS } from './ocsp.js';
import { PATTERN_COMMANDS } from './patterns.js';
import { PROCESS_COMMANDS } from './process.js';
import { RESOLVER_COMMANDS } from './resolvers.js';
import { SERVER_CHANGE_COMMANDS } from './server-changes.js';
import { SERVER_COMMANDS } from './servers.js';
import { SESSION_COMMANDS } from './sessions.js';
import { STAT_COMMANDS } from './stat.js';
import { TABLE_COMMANDS } from './tables.js';
import { TLS_FILE_COMMANDS } from './tls-files.js';
import { UNSUPPORTED_COMMANDS } from './unsupported.js';
import { UPDATE_COMMANDS } from './updates.js';
import { VARIABLE_COMMANDS } from './variables.js';

export function createRegistry(): CommandRegistry {
	return new CommandRegistry([
		...AGGREGATION_COMMANDS,
		...withJsonLines(CACHE_COMMANDS),
		...DYNAMIC_SERVER_COMMANDS,
		...EVENT_COMMANDS,
		...ERROR_COMMANDS,
		...INFO_COMMANDS,
		...LIMIT_COMMANDS,
		...PATTERN_COMMANDS,
		...PROCESS_COMMANDS,
		...withJsonLines(RESOLVER_COMMANDS),
		...SERVER_CHANGE_COMMANDS,
		...SERVER_COMMANDS,
		...SESSION_COMMANDS,
		...STAT_COMMANDS,
		...TABLE_COMMANDS,
		...withJsonLines(TLS_FILE_COMMANDS),
		...OCSP_COMMANDS,
		...UPDATE_COMMANDS,
		...UNSUPPORTED_COMMANDS,
		...VARIABLE_COMMANDS,
	]);
}
