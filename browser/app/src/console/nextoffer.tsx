import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { when } from '../lib/format'
import { useMay } from '../lib/me'
import { t, tOf } from '../lib/words'
import { Icon } from '../ui/icon'
import { useFresh, useUsers } from './data'
import { usePool } from './policies'

const most = 4

/** To whom a lead would be offered now; else, of each one, why not yet and what helps. It follows what happens. */
export function NextOffer({ lead, project }: { lead: string; project: string }) {
  const next = useQuery({ queryKey: ['next-offer', lead], refetchInterval: 15_000, queryFn: () => ok(api.GET('/v1/leads/{id}/next-offer', { params: { path: { id: lead } } })) })
  useFresh(/^(presence|offer|setup)\./, ['next-offer'], ['users'], ['pool', project])
  const n = next.data
  if (!n) return null
  if (n.user_id) {
    return (
      <p className="flex items-start gap-2">
        <Icon name="check" className="mt-0.5 size-4.5 text-good" />
        <span>{t('console.next.to', { name: n.candidates.find((c) => c.user_id === n.user_id)?.name ?? '' })}</span>
      </p>
    )
  }
  if (!n.has_pool || !n.candidates.length) {
    return <Why to={<Link to="/console/routing/team/$project" params={{ project }} className={link}>{t('console.next.team')}</Link>}>{t('console.next.nobody')}</Why>
  }
  return (
    <div>
      <p>{t('console.next.waits')}</p>
      <ul className="mt-2 space-y-2">{n.candidates.slice(0, most).map((c) => <Hindrance key={c.user_id} of={c} project={project} />)}</ul>
    </div>
  )
}

const link = 'font-medium whitespace-nowrap text-accent underline underline-offset-4'

function Why({ children, to }: { children: ReactNode; to?: ReactNode }) {
  return (
    <div className="flex items-start gap-2">
      <Icon name="warn" className="mt-0.5 size-4.5 text-warm" />
      <p>{children} {to}</p>
    </div>
  )
}

/** Why somebody would not be offered it, in one sentence, and where that is changed. */
function Hindrance({ of: c, project }: { of: Schemas['Candidate']; project: string }) {
  const may = useMay()
  const user = useUsers().data?.find((u) => u.id === c.user_id)
  const shift = usePool(project).data?.members.find((m) => m.user_id === c.user_id)?.shift_change_at
  const name = c.name
  const page = (words: string) => <Link to="/console/people/$id" params={{ id: c.user_id }} className={link}>{words}</Link>
  const said = (): [string, ReactNode?] => {
    switch (c.reason) {
      case 'inactive':
        return user?.state === 'invited' ? [t('console.next.invited', { name }), may('people:manage') && page(t('console.next.link'))] : [t('console.next.off', { name }), page(t('console.next.page'))]
      case 'off_shift':
        return shift ? [t('console.next.later', { name, at: when(shift) }), may('routing:manage') && page(t('console.next.hours'))] : [t('console.next.noHours', { name }), may('routing:manage') && page(t('console.next.hours'))]
      case 'logged_off':
      case 'away':
      case 'engaged':
        return [t('console.next.presence', { name, state: tOf('console.presence', c.reason.replace('_', '-')) })]
      case 'hours_closed':
        return [t('console.next.closed'), <Link to="/console/routing" className={link}>{t('console.nav.routing')}</Link>]
      case 'suppressed':
        return [tOf('console.why', c.reason)]
    }
    return [`${name} ${tOf('console.why', c.reason)}`]
  }
  const [words, to] = said()
  return <li><Why to={to}>{words}</Why></li>
}
