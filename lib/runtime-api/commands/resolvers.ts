/** Name servers and how they answer (management guide, 9.3): `show resolvers`. */
import { type Answer, type Command, fault, type Invocation } from '../command.js';

function showResolvers({ words, view }: Invocation): Answer {
	return view.resolvers?.show(words[2]) ?? fault("Can't find that resolvers section");
}

export const RESOLVER_COMMANDS: readonly Command[] = [
	{
		words: ['show', 'resolvers'],
		level: 'user',
		usage: 'show resolvers [id]',
		help: 'counters of all name servers, or of those of one section',
		run: showResolvers,
	},
];
