/**
 * Converters that look a name up among proxies and servers, and `language` (manual, 7.3.1): the names come from
 * requests, so a name that is unknown gives no sample.
 */
import { trimBlanks } from '../http-parts.js';
import type { CompileContext, ConverterDescriptor, ServerView } from '../types.js';
import { optional, required, textArgument } from './define.js';

function serverOf(text: string, context: CompileContext, own: string | undefined): ServerView | undefined {
	const slash = text.indexOf('/');
	const backendName = slash < 0 ? own : text.slice(0, slash);
	const serverName = text.slice(slash + 1);
	const backend = backendName === undefined ? undefined : context.backend(backendName);
	return backend?.servers.find((server) => server.name === serverName);
}

/** Weight of an element of Accept-Language; 1 when it says nothing, 0 means "not this one" (RFC 9110, 12.4.2). */
function quality(parameters: string): number {
	const match = /;[ \t]*q=([01](?:\.\d{0,3})?)/i.exec(parameters);
	return match === null ? 1 : Number(match[1]);
}

/** The one of `choices` that the header wants most; the order of the header decides between equals. */
function preferredLanguage(header: string, choices: readonly string[]): string | undefined {
	let best: string | undefined;
	let bestQuality = 0;
	for (const element of header.split(',')) {
		const tag = trimBlanks(element.split(';', 1)[0] ?? '');
		const weight = quality(element);
		if (weight <= bestQuality) continue;
		const choice = choices.includes(tag) ? tag : choices.find((one) => one === tag.split('-', 1)[0]);
		if (choice === undefined) continue;
		best = choice;
		bestQuality = weight;
	}
	return best;
}

export const LOOKUP_CONVERTERS: readonly ConverterDescriptor[] = [
	{
		name: 'nbsrv',
		args: [],
		input: 'str',
		output: 'sint',
		compile: (_args, context) => (value) => context.backend(value as string)?.usableServerCount(),
	},
	{
		name: 'srv_queue',
		args: [],
		input: 'str',
		output: 'sint',
		compile: (_args, context) => {
			const own = context.proxy?.name;
			return (value, stream) => serverOf(value as string, context, stream.backend?.name ?? own)?.queuedCount();
		},
	},
	{
		name: 'language',
		args: [required('string'), optional('string')],
		input: 'str',
		output: 'str',
		compile: ([choicesArgument, fallbackArgument]) => {
			const choices = (textArgument(choicesArgument) ?? '').split(';');
			const fallback = textArgument(fallbackArgument);
			return (value) => preferredLanguage(value as string, choices) ?? fallback;
		},
	},
];
