// Types that several files share, and what the parameter file needs.

@export()
@description('Names and values; every resource gets them.')
type tagsOf = {
  *: string
}

@export()
@description('ARM ids of the DNS zones by service.')
type zones = {
  blob: string
  queue: string
  table: string
  registry: string
}

@export()
@description('A variable that is set to nothing, as a workflow does with each that nobody set, counts as not set.')
func text(given string, otherwise string) string => empty(given) ? otherwise : given

@description('Beyond what somebody is told; main.bicep says of each what it is.')
@export()
type limitsOf = {
  lagMinutes: int
  quietHours: int
  comparedHours: int
  waitMinutes: int
  backfillMessages: int
  lostPushes: int
  failedRuns: int
  retriedRuns: int
  deliveryFailures: int
}
