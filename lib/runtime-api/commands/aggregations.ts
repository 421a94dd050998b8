/** `show aggregations [name] [json]`: sums over nodes; whose shares are known, and when they were heard of last. */
import { formatAggregations } from '../../aggregate/show.js';
import { type Answer, type Command, fault, type Invocation } from '../command.js';
import { jsonText, takeJsonWord } from '../json.js';

function showAggregations(invocation: Invocation): Answer {
	const { words, json } = takeJsonWord(invocation.words);
	const [name] = words.slice(2).filter((word) => word !== 'json');
	const all = invocation.view.aggregations?.() ?? [];
	const shown = all.filter((aggregation) => name === undefined || aggregation.name === name);
	if (name !== undefined && shown.length === 0) return fault('No such aggregation');
	if (json || words.includes('json')) return `${jsonText(shown)}\n`;
	return `${formatAggregations(shown)}\n`;
}

export const AGGREGATION_COMMANDS: readonly Command[] = [
	{
		words: ['show', 'aggregations'],
		level: 'user',
		usage: 'show aggregations [name]',
		help: 'sums over nodes, and the shares they are made of',
		run: showAggregations,
	},
];
