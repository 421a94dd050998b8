/**
 * Variables of the process at run time (management guide, 9.3 `get var`, `set var`), which HAProxy keeps behind its
 * experimental mode: here they are as any other command.
 */
import { IpAddress } from '../../core/address.js';
import type { SampleValue } from '../../sample/types.js';
import { type Answer, type Command, DONE, fault, type Invocation } from '../command.js';

const SCOPE = 'proc.';

/** The type's name and the value's text, as HAProxy prints them. */
function described(value: SampleValue): readonly [type: string, text: string] {
	if (value instanceof IpAddress) return [value.family === 4 ? 'ipv4' : 'ipv6', value.toString()];
	if (Buffer.isBuffer(value)) return ['bin', value.toString('latin1')];
	if (typeof value === 'boolean') return ['bool', value ? '1' : '0'];
	if (typeof value === 'string') return ['str', value];
	return ['sint', String(value)];
}

function getVariable({ words, view }: Invocation): Answer {
	const name = words[2];
	if (name === undefined) return fault('Missing process-wide variable identifier.');
	const value = name.startsWith(SCOPE) ? view.variables.get(name.slice(SCOPE.length)) : undefined;
	if (value === undefined) return fault('Variable not found.');
	const [type, text] = described(value);
	return `${name}: type=${type} value=<${text}>\n`;
}

/** `set var <name> <expression>`, `set var <name> expr <expression>`, `set var <name> fmt <format>`. */
function setVariable({ words, view }: Invocation): Answer {
	const [name, kind, ...rest] = words.slice(2);
	if (name === undefined || kind === undefined) return fault("Missing either 'expr', 'fmt' or expression.");
	if (!name.startsWith(SCOPE)) {
		return fault(`'set var': cannot set variable '${name}', only scope 'proc' is permitted here.`);
	}
	let line: readonly string[];
	if (kind === 'expr') line = ['set-var', name, ...rest];
	else if (kind === 'fmt') line = ['set-var-fmt', name, ...rest];
	else if (rest.length === 0) line = ['set-var', name, kind];
	else return fault(`'set var': arg type must be either 'expr' or 'fmt' but got '${kind}'.`);
	const trouble = view.variables.set(line);
	return trouble === undefined ? DONE : fault(trouble);
}

export const VARIABLE_COMMANDS: readonly Command[] = [
	{
		words: ['get', 'var'],
		level: 'operator',
		usage: 'get var <name>',
		help: 'a variable of the process (proc.<name>)',
		run: getVariable,
	},
	{
		words: ['set', 'var'],
		// Its experimental mode, behind which HAProxy keeps it, is an administrator's.
		level: 'admin',
		usage: 'set var <name> [fmt|expr] {<fmt>|<expr>}',
		help: 'set a variable of the process (proc.<name>) in all threads',
		run: setVariable,
	},
];
