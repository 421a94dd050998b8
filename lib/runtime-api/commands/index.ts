/** Every command, and the registry that finds them. */
import { CommandRegistry } from '../registry.js';
import { INFO_COMMANDS } from './info.js';
import { TABLE_COMMANDS } from './tables.js';

export function createRegistry(): CommandRegistry {
	return new CommandRegistry([...INFO_COMMANDS, ...TABLE_COMMANDS]);
}
