import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { api, ok } from '../lib/api'
import { count } from '../lib/format'
import { useMay } from '../lib/me'
import { t } from '../lib/words'
import { Rows } from '../ui/skeleton'
import { useFresh, useProjects } from './data'
import { Part } from './page'
import { usePolicies } from './policies'

/** How much each of the people has, by the board, and how much the policies in force of their projects let them have. */
function useLoads() {
  const may = useMay()
  const board = useQuery({ queryKey: ['board'], enabled: !!may('reports:read'), queryFn: () => ok(api.GET('/v1/board')) }).data
  const policies = usePolicies(!!may('reports:read') && !!may('setup:read')).data
  useFresh(/^lead\./, ['board'])
  return (user: string) => {
    const p = board?.people.find((x) => x.id === user)
    return p && { open: p.owned, under: policies?.filter((x) => x.published && p.projects.includes(x.project_id)) }
  }
}

/** For the list of people: open leads, of as many as the first limit that they come to; of the project's, when one is looked at. */
export function useLoadCell(project?: string) {
  const of = useLoads()
  return (user: string) => {
    const load = of(user)
    if (!load) return <span className="text-faint">–</span>
    const limits = load.under?.filter((p) => !project || p.project_id === project).flatMap((p) => p.policy.capacity_open || []) ?? []
    return (
      <>
        {count(load.open)}
        {limits.length > 0 && <span className="ms-1.5 text-soft">{t('console.rhythm.of', { n: count(Math.min(...limits)) })}</span>}
      </>
    )
  }
}

/** What somebody has beside what each policy lets them have, and where that is changed. */
export function LoadPart({ user }: { user: string }) {
  const may = useMay()
  const load = useLoads()(user)
  const projects = useProjects().data
  if (!load) return null
  const name = (id: string) => projects?.find((p) => p.id === id)?.name ?? ''
  return (
    <Part title={t('console.load.title')}>
      <p className="mb-2">
        {may('leads:read') ? <Link to="/console/leads" search={{ owner: user }} className="font-medium text-accent underline underline-offset-4">{t('console.board.has', { count: load.open })}</Link> : t('console.board.has', { count: load.open })}
      </p>
      {!load.under || !projects ? <Rows n={1} /> : (
        <ul>
          {load.under.toSorted((a, b) => name(a.project_id).localeCompare(name(b.project_id))).map((p) => (
            <li key={p.id} className="flex min-h-11 items-center gap-3 border-b border-line text-sm">
              <span dir="auto" className="match min-w-0 flex-1 truncate font-medium">{name(p.project_id)}</span>
              <span className="figures text-soft">{p.policy.capacity_open ? t('console.load.most', { count: p.policy.capacity_open }) : t('console.load.noLimit')}</span>
              {may('routing:manage') && <Link to="/console/routing/new" search={{ from: p.id }} aria-label={t('console.load.of', { name: name(p.project_id) })} className="font-medium text-accent underline underline-offset-4">{t('console.load.change')}</Link>}
            </li>
          ))}
        </ul>
      )}
    </Part>
  )
}
