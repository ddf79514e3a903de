import { tOf } from '../lib/words'
import { Badge, type Tone } from '../ui/badge'

const leads: Record<string, Tone> = { waiting: 'warm', offered: 'accent', owned: 'good', unrouted: 'plain' }
export const LeadState = ({ state }: { state: string }) => <Badge tone={leads[state]}>{tOf('console.state', state)}</Badge>

const presences: Record<string, Tone> = { available: 'good', engaged: 'accent', away: 'plain', 'logged-off': 'plain' }
export const Presence = ({ state }: { state: string }) => <Badge tone={presences[state]}>{tOf('console.presence', state)}</Badge>

const categories: Record<string, Tone> = { new: 'accent', 'follow-up': 'plain', won: 'good', dropped: 'lost' }
export const Stage = ({ stage }: { stage: { name: string; category: string } }) => <Badge tone={categories[stage.category]}>{stage.name}</Badge>
