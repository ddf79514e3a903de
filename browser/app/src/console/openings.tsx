import { useInfiniteQuery } from '@tanstack/react-query'
import { api, ok } from '../lib/api'
import { t, tOf } from '../lib/words'
import { Button } from '../ui/button'
import { Rows } from '../ui/skeleton'
import { When } from '../ui/time'
import { useActor } from './data'
import { Part, Sorry } from './page'

/** From the record: who opened what of the lead's person, when and why. */
export function Openings({ lead }: { lead: string }) {
  const name = useActor()
  const list = useInfiniteQuery({
    queryKey: ['openings', lead],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/record', { params: { query: { about: lead, action: 'opened', limit: 8, cursor: pageParam } } })),
    getNextPageParam: (p) => p.next_cursor,
  })
  const rows = list.data?.pages.flatMap((p) => p.items) ?? []
  return (
    <Part title={t('console.openings.title')}>
      {list.isError && !list.data ? <Sorry error={list.error} again={() => void list.refetch()} /> : list.isPending ? <Rows n={3} /> : rows.length === 0 ? <p className="text-soft">{t('console.openings.none')}</p> : (
        <ul>
          {rows.map((e) => (
            <li key={e.id} className="border-b border-line py-2 text-sm">
              <span className="flex justify-between gap-3"><span className="min-w-0 truncate font-medium">{name(e.actor)}</span><When at={e.at} className="shrink-0 text-soft" /></span>
              <span className="block text-soft">{[e.purpose && tOf('console.purpose', e.purpose), e.fields?.map((f) => tOf('console.opened', f)).join(', ')].filter(Boolean).join(' · ')}</span>
            </li>
          ))}
        </ul>
      )}
      {list.hasNextPage && <Button look="quiet" className="mt-2 -ms-3" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t('console.openings.more')}</Button>}
    </Part>
  )
}
